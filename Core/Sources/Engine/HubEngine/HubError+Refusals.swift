public import HubContract

extension HubError {
  /// The answer to a client whose command met a fault of the storage.
  public init(_ fault: StorageFault) {
    switch fault.kind {
    case .full:
      self.init(.serviceUnavailable, "The hub's storage is full; free space, then try again.")
    case .corrupt, .failed:
      self.init(.serverError, "The hub's storage failed; its log says more.")
    }
  }

  static func noDevice(_ deviceID: String) -> HubError {
    HubError(.deviceNotFound, "There is no device \(deviceID).")
  }

  static func noModule(_ key: IdentityKey) -> HubError {
    HubError(
      .moduleNotFound,
      "There is no module \(key.moduleID ?? "") on device \(key.deviceID)."
    )
  }
}

extension ETagCondition {
  /// Refuses what is not meant for an object whose ETag is `current`; `what` names its kind.
  ///
  /// - Throws: 412001.
  func check(_ current: String, of what: String) throws(HubError) {
    guard allows(current) else {
      throw HubError(
        .preconditionFailed,
        "The ETag in If-Match is not that of the \(what), which is \(current); read it again."
      )
    }
  }

  /// Refuses a deletion without a condition.
  ///
  /// - Throws: 412001.
  func checkPresence() throws(HubError) {
    guard self == .absent else { return }
    throw HubError(.preconditionFailed, "Etag missing: send If-Match, * to delete in any state.")
  }
}
