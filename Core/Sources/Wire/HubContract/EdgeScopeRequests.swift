public import JSONTree

/// What an edge hub sends to read a page of an edge device's scope (contract §3.10).
public struct EdgeScopeRequest: Equatable, Sendable {
  /// Children of a page if the edge hub names no number.
  public static let defaultPageSize = 100
  /// Children of a page at most.
  public static let maximumPageSize = 1000

  /// Children at most, 1 to `maximumPageSize`.
  public var pageSize: Int
  /// The answer's link of the page before, nil to begin.
  public var continuation: String?
  /// From the edge device whose scope is wanted to the one that asks.
  public var authChain: String

  /// Reads the body.
  ///
  /// - Throws: 400012 or 400005 for its shape, 400004 for a page size out of range.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    let size = try fields.integer("pageSize") ?? 0
    guard (0...Int64(Self.maximumPageSize)).contains(size) else {
      throw fields.invalid("pageSize", "must be 0 to \(Self.maximumPageSize).")
    }
    pageSize = Self.pageSize(Int(size))
    continuation = try fields.nonEmptyString("continuationLink")
    authChain = try fields.requiredString("authChain")
  }

  /// The page that a number stands for; stock edge hubs may send 0.
  public static func pageSize(_ count: Int) -> Int {
    count == 0 ? defaultPageSize : min(count, maximumPageSize)
  }
}

/// What an edge hub sends to read one identity on behalf of an edge device (contract §3.10).
public struct EdgeIdentityRequest: Equatable, Sendable {
  /// The identity.
  public var target: IdentityKey
  /// From the edge device on whose behalf it asks to the one that asks.
  public var authChain: String

  /// Reads the body.
  ///
  /// - Throws: 400012 or 400005 for its shape.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    target = IdentityKey(
      deviceID: try fields.requiredString("targetDeviceId"),
      moduleID: try fields.nonEmptyString("targetModuleId")
    )
    authChain = try fields.requiredString("authChain")
  }
}
