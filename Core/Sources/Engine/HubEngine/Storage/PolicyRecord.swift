public import HubContract

/// A shared access policy: rights that come with a name and either of two keys.
public struct PolicyRecord: Equatable, Sendable {
  /// The name, which tokens carry as `skn`.
  public var name: String
  /// What it allows.
  public var rights: AccessRights
  /// The first key.
  public var primaryKey: SymmetricKey
  /// The second key, so that one can be replaced while the other is in use.
  public var secondaryKey: SymmetricKey

  /// Creates a policy.
  public init(
    name: String,
    rights: AccessRights,
    primaryKey: SymmetricKey,
    secondaryKey: SymmetricKey
  ) {
    self.name = name
    self.rights = rights
    self.primaryKey = primaryKey
    self.secondaryKey = secondaryKey
  }
}
