public import HubContract
public import JSONTree

/// A direct method of `$edgeAgent`, read and checked (edge contract section 3.8).
public enum AgentMethod: Equatable, Sendable {
  /// How a log is handed over.
  public struct LogForm: Equatable, Sendable {
    /// Whether it is compressed.
    public var isCompressed = false
    /// Whether each line is an object.
    public var isJSON = false

    /// Creates the form of plain text.
    public init() {}

    /// The end of a file's name.
    public var fileExtension: String { (isJSON ? "json" : "log") + (isCompressed ? ".gz" : "") }
  }

  /// Some modules' logs.
  public struct LogItem: Equatable, Sendable {
    /// A regular expression on names, or `all`.
    public let id: String
    /// Which lines.
    public let filter: LogFilter

    /// Creates an item.
    public init(id: String, filter: LogFilter = LogFilter()) {
      (self.id, self.filter) = (id, filter)
    }

    /// Whether it is about a module.
    public func names(_ module: String) -> Bool {
      if id.lowercased() == "all" { return true }
      guard let pattern = try? Regex(id) else { return false }
      return module.contains(pattern)
    }
  }

  /// Which support bundle.
  public struct SupportBundle: Equatable, Sendable {
    /// Where it goes: a container with its signature.
    public let url: String
    /// Which part of the logs.
    public let filter: LogFilter
    /// Whether it has the runtime's own logs alone.
    public let edgeRuntimeOnly: Bool
  }

  case ping
  case restartModule(id: String)
  case getModuleLogs([LogItem], LogForm)
  case uploadModuleLogs([LogItem], LogForm, url: String)
  case getTaskStatus(correlationID: String)
  case uploadSupportBundle(SupportBundle)

  /// The longest answer, in bytes.
  public static let answerLimit = 127_000
  /// The most items of a request.
  static let itemLimit = 100
  /// The names, as the vendor writes them.
  public static let names = [
    "ping", "RestartModule", "GetModuleLogs", "UploadModuleLogs", "GetTaskStatus",
    "UploadSupportBundle",
  ]

  /// The path that a metric has of a method's name: the known name, or `unknown`.
  public static func knownName(_ name: String) -> String {
    names.first { $0.lowercased() == name.lowercased() } ?? "unknown"
  }

  /// Reads a request.
  ///
  /// - Parameters:
  ///   - name: the method, in any case.
  ///   - payload: what came with it.
  ///   - now: what durations are counted back from.
  /// - Throws: what is wrong, for status 400.
  public init(name: String, payload: JSONValue, now: Timestamp) throws(HubError) {
    let known = Self.knownName(name)
    if known == "ping" {
      self = .ping
      return
    }
    guard Self.names.contains(known) else {
      throw HubError(
        .argumentInvalid,
        "There is no method \"\(name)\"; there are \(Self.names.joined(separator: ", "))."
      )
    }
    let fields = try BodyFields(payload)
    if let version = try fields.string("schemaVersion"), version.split(separator: ".").first != "1"
    {
      throw fields.invalid("schemaVersion", "must be 1.0, but is \"\(version)\".")
    }
    switch known {
    case "RestartModule": self = .restartModule(id: try fields.requiredText("id"))
    case "GetTaskStatus":
      self = .getTaskStatus(correlationID: try fields.requiredText("correlationId"))
    case "UploadSupportBundle":
      self = .uploadSupportBundle(
        SupportBundle(
          url: try Self.url(fields),
          filter: try LogFilter(fields, now: now),
          edgeRuntimeOnly: try fields.bool("edgeRuntimeOnly") ?? false
        )
      )
    default:
      let items = try Self.items(fields, now)
      let form = try Self.form(fields)
      self =
        known == "GetModuleLogs"
        ? .getModuleLogs(items, form)
        : .uploadModuleLogs(items, form, url: try Self.url(fields))
    }
  }

  private static func items(
    _ fields: BodyFields,
    _ now: Timestamp
  ) throws(HubError) -> [LogItem] {
    let values: [JSONValue]
    switch fields.value("items") {
    case .array(let array): values = array
    case .some(let value) where value.objectValue != nil: values = [value]
    default: throw fields.invalid("items", "must be a list of {\"id\", \"filter\"}.")
    }
    guard (1...itemLimit).contains(values.count) else {
      throw fields.invalid("items", "must have 1 to \(itemLimit) entries, but has \(values.count).")
    }
    var items: [LogItem] = []
    for (index, value) in values.enumerated() {
      let entry = try BodyFields(value, path: "items[\(index)]")
      let id = try entry.requiredText("id")
      guard id.utf8.count <= 1000, (try? Regex(id)) != nil else {
        throw entry.invalid("id", "is no regular expression: \"\(id.prefix(100))\".")
      }
      let filter = try entry.fields("filter")
      items.append(
        LogItem(
          id: id,
          filter: try filter.map { f throws(HubError) in try LogFilter(f, now: now) } ?? LogFilter()
        )
      )
    }
    return items
  }

  private static func form(_ fields: BodyFields) throws(HubError) -> LogForm {
    var form = LogForm()
    switch try fields.string("encoding")?.lowercased() {
    case nil, "none": break
    case "gzip": form.isCompressed = true
    default: throw fields.invalid("encoding", "must be \"none\" or \"gzip\".")
    }
    switch try fields.string("contentType")?.lowercased() {
    case nil, "text": break
    case "json": form.isJSON = true
    default: throw fields.invalid("contentType", "must be \"text\" or \"json\".")
    }
    return form
  }

  private static func url(_ fields: BodyFields) throws(HubError) -> String {
    let url = try fields.requiredText("sasUrl")
    guard url.hasPrefix("https://") || url.hasPrefix("http://"), url.utf8.count <= 4096,
      url.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw fields.invalid("sasUrl", "must be the https URL of a container.") }
    return url
  }
}
