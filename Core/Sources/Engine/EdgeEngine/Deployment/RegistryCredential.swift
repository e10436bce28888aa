import HubContract

/// How to fetch images from a registry (edge contract section 2.5).
public struct RegistryCredential: Equatable, Sendable {
  /// The name in the manifest.
  public let name: String
  /// The registry's address, perhaps with `$upstream` for the parent's.
  public let address: String
  /// The user.
  public let username: String
  /// The password; never reported and never logged.
  public let password: String

  /// Creates a credential.
  public init(name: String, address: String, username: String, password: String) {
    (self.name, self.address, self.username, self.password) = (name, address, username, password)
  }

  init(name: String, _ fields: BodyFields) throws(HubError) {
    self.name = name
    address = try fields.requiredText("address")
    username = try fields.requiredText("username")
    // A password may end in a blank.
    _ = try fields.requiredText("password")
    password = try fields.requiredString("password")
  }

  /// Whether this is for the registry of `image`, which has the parent's name for `$upstream`.
  public func isFor(_ image: ImageReference, parentHostName: String?) -> Bool {
    guard let registry = image.registry,
      let address = Upstream.replaced(in: address, by: parentHostName)
    else { return false }
    return registry.lowercased() == address.lowercased()
  }
}

extension RegistryCredential: CustomStringConvertible, CustomReflectable {
  /// Everything but the password.
  public var description: String { "\(name): \(username) at \(address)" }

  /// The same, since what holds a credential may be printed too.
  public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension [RegistryCredential] {
  /// The credential to fetch `image` with: the first of these for its registry; nil means to fetch
  /// without any.
  ///
  /// The credentials of a deployment come before those of the daemon's own settings.
  public func credential(
    for image: ImageReference,
    parentHostName: String?
  ) -> RegistryCredential? {
    first { $0.isFor(image, parentHostName: parentHostName) }
  }
}
