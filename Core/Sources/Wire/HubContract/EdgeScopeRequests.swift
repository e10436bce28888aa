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

/// What an edge hub sends to list the modules of an edge device below (contract §3.10).
public struct EdgeModulesRequest: Equatable, Sendable {
  /// From the edge device whose modules are meant to the one that asks.
  public var authChain: String

  /// Reads the body.
  ///
  /// - Throws: 400012 or 400005 for its shape.
  public init(json: JSONValue) throws(HubError) {
    authChain = try BodyFields(json).requiredString("authChain")
  }
}

/// What an edge hub sends to read or delete a module of an edge device below (contract §3.10).
public struct EdgeModuleRequest: Equatable, Sendable {
  /// From the edge device whose module is meant to the one that asks.
  public var authChain: String
  /// The module.
  public var moduleID: String

  /// Reads the body.
  ///
  /// - Throws: 400012 or 400005 for its shape.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    authChain = try fields.requiredString("authChain")
    moduleID = try fields.requiredString("moduleId")
  }
}

/// What an edge hub sends to make or change a module of an edge device below (contract §3.10).
public struct EdgeModulePutRequest: Equatable, Sendable {
  /// From the edge device whose module is meant to the one that asks.
  public var authChain: String
  private let module: JSONValue

  /// Reads the body.
  ///
  /// - Throws: 400012 or 400005 for its shape.
  public init(json: JSONValue) throws(HubError) {
    let fields = try BodyFields(json)
    authChain = try fields.requiredString("authChain")
    guard let module = json["module"], module.objectValue != nil else {
      throw fields.invalid("module", "must be the module, an object.")
    }
    self.module = module
  }

  /// The module that is wished for on `deviceID`, the chain's first device.
  ///
  /// - Returns: The wish, whose own device ID is that one.
  /// - Throws: As the reading of a module that is put by its path.
  public func wish(on deviceID: String) throws(HubError) -> ModuleIdentityRequest {
    try ModuleIdentityRequest(
      json: module,
      pathDeviceID: deviceID,
      pathModuleID: try BodyFields(module).requiredString("moduleId")
    )
  }
}
