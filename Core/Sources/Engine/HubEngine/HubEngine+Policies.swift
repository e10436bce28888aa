public import HubContract

extension HubEngine {
  /// Creates those of the five default policies that are missing, each with two new keys
  /// (contract §2.1).
  public mutating func createDefaultPolicies() throws(HubError) {
    let defaults: [(String, AccessRights)] = [
      ("iothubowner", .all),
      ("service", .serviceConnect),
      ("device", .deviceConnect),
      ("registryRead", .registryRead),
      ("registryReadWrite", [.registryRead, .registryWrite]),
    ]
    for (name, rights) in defaults {
      let existing = try stored { storage throws(StorageFault) in try storage.policy(name) }
      guard existing == nil else { continue }
      let policy = PolicyRecord(
        name: name,
        rights: rights,
        primaryKey: try mintKey(),
        secondaryKey: try mintKey()
      )
      try stored { storage throws(StorageFault) in try storage.put(policy) }
      emit(.policyChanged(name: name))
    }
  }

  /// Creates or changes a policy.
  ///
  /// - Parameters:
  ///   - name: 1 to 64 letters, digits, `-`, `_` and `.`.
  ///   - rights: what it allows.
  ///   - primaryKey: the first key; nil keeps the present one, or makes one.
  ///   - secondaryKey: the second key, likewise.
  /// - Returns: the policy as it now is.
  /// - Throws: 400004 for a name that breaks the rule, or without a right.
  public mutating func putPolicy(
    _ name: String,
    rights: AccessRights,
    primaryKey: SymmetricKey? = nil,
    secondaryKey: SymmetricKey? = nil
  ) throws(HubError) -> PolicyRecord {
    guard Self.isValidName(name) else {
      throw HubError(.argumentInvalid, "A name has 1 to 64 letters, digits, '-', '_' or '.'.")
    }
    guard !rights.isEmpty else {
      throw HubError(.argumentInvalid, "A policy needs at least one right.")
    }
    let existing = try stored { storage throws(StorageFault) in try storage.policy(name) }
    var primary = primaryKey ?? existing?.primaryKey
    var secondary = secondaryKey ?? existing?.secondaryKey
    if primary == nil { primary = try mintKey() }
    if secondary == nil { secondary = try mintKey() }
    guard let primary, let secondary else { throw HubError(.serverError, "No key was made.") }
    let policy = PolicyRecord(
      name: name,
      rights: rights,
      primaryKey: primary,
      secondaryKey: secondary
    )
    try stored { storage throws(StorageFault) in try storage.put(policy) }
    emit(.policyChanged(name: name))
    return policy
  }

  /// Replaces one key of a policy, or both, by new ones.
  ///
  /// - Throws: 400004 if there is no such policy.
  public mutating func regenerateKeys(
    ofPolicy name: String,
    primary: Bool,
    secondary: Bool
  ) throws(HubError) -> PolicyRecord {
    guard var policy = try stored({ storage throws(StorageFault) in try storage.policy(name) })
    else { throw Self.noPolicy(name) }
    if primary { policy.primaryKey = try mintKey() }
    if secondary { policy.secondaryKey = try mintKey() }
    let renewed = policy
    try stored { storage throws(StorageFault) in try storage.put(renewed) }
    emit(.policyChanged(name: name))
    return policy
  }

  /// Deletes a policy.
  ///
  /// - Throws: 400004 if there is no such policy.
  public mutating func deletePolicy(_ name: String) throws(HubError) {
    guard try stored({ storage throws(StorageFault) in try storage.policy(name) }) != nil else {
      throw Self.noPolicy(name)
    }
    try stored { storage throws(StorageFault) in try storage.deletePolicy(name) }
    emit(.policyChanged(name: name))
  }

  static func isValidName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."):
          true
        default: false
        }
      }
  }

  private static func noPolicy(_ name: String) -> HubError {
    HubError(.argumentInvalid, "There is no policy of that name.")
  }
}

extension HubView {
  /// All policies, in the order of their names.
  public func policies() throws(HubError) -> [PolicyRecord] {
    try stored { storage throws(StorageFault) in try storage.policies() }
  }

  /// The policy called `name`, nil if there is none.
  public func policy(_ name: String) throws(HubError) -> PolicyRecord? {
    try stored { storage throws(StorageFault) in try storage.policy(name) }
  }
}

extension PolicyRecord {
  /// Lets pass who has all of `needed`.
  ///
  /// - Throws: 401002 naming what is missing.
  public func authorize(_ needed: AccessRights) throws(HubError) {
    guard rights.isSuperset(of: needed) else {
      let missing = needed.subtracting(rights).names
      let list = missing.joined(separator: ", ")
      let what =
        missing.count > 1 ? "rights of which all are needed: \(list)" : "the right \(list)"
      throw HubError(.iotHubUnauthorizedAccess, "Policy \(name) lacks \(what).")
    }
  }
}

extension AccessRights {
  /// The rights by their names.
  public var names: [String] {
    var names: [String] = []
    if contains(.registryRead) { names.append("RegistryRead") }
    if contains(.registryWrite) { names.append("RegistryWrite") }
    if contains(.serviceConnect) { names.append("ServiceConnect") }
    if contains(.deviceConnect) { names.append("DeviceConnect") }
    if contains(.enrollmentRead) { names.append("EnrollmentRead") }
    if contains(.enrollmentWrite) { names.append("EnrollmentWrite") }
    return names
  }
}
