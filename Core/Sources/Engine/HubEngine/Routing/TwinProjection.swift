public import JSONTree
internal import QueryLanguage

/// What routes ask of twins: so much of each is kept where messages are routed.
public struct TwinProjection: Equatable, Sendable {
  /// The members on the way to what is asked for; what is asked of an array takes all of it.
  private var paths: [[String]] = []

  /// Asks for nothing.
  public init() {}

  /// Whether nothing is asked for.
  public var isEmpty: Bool { paths.isEmpty }

  mutating func add(_ path: [String]) {
    if !paths.contains(path) { paths.append(path) }
  }

  mutating func add(_ path: [PathStep]) {
    var members: [String] = []
    for step in path {
      guard case .member(let name) = step else { break }
      members.append(name)
    }
    add(members)
  }

  /// The part of `twin` that is asked for: `tags` and `properties`, as conditions name them.
  public func callAsFunction(_ twin: TwinRecord) -> JSONValue {
    func text(_ bytes: [UInt8]) -> JSONValue { (try? JSON.parse(bytes)) ?? [:] }
    let whole: JSONValue = [
      "tags": text(twin.tags),
      "properties": [
        "desired": text(twin.desired.properties), "reported": text(twin.reported.properties),
      ],
    ]
    var part = JSONObject()
    for path in paths {
      if let value = whole.value(at: path.map { .member($0) }) {
        part.setValue(value, at: path[...])
      }
    }
    return .object(part)
  }
}
