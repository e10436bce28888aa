import ArgumentParser
import HubContract
import JSONTree
import Platform

/// How an identity proves who it is, as the command line names it.
package enum AuthenticationKind: String, CaseIterable, Sendable {
  /// Tokens signed with one of two keys.
  case sas
  /// A certificate with one of two thumbprints.
  case thumbprint
  /// A certificate of a registered authority, with the identity's name.
  case ca
  /// Nothing of its own: a module that the edge runtime vouches for.
  case none

  /// The hub's word for it (contract §7.3).
  var wireName: String {
    switch self {
    case .sas: "sas"
    case .thumbprint: "selfSigned"
    case .ca: "certificateAuthority"
    case .none: "none"
    }
  }
}

/// The ways in which identities of one kind can prove who they are.
protocol AuthenticationChoice: ExpressibleByArgument, CaseIterable, Sendable {
  /// The way that was chosen.
  var kind: AuthenticationKind { get }
  /// What the choice is, for the help text.
  static var help: ArgumentHelp { get }
}

/// The ways for devices.
enum DeviceAuthentication: String, AuthenticationChoice {
  case sas
  case thumbprint
  case ca

  var kind: AuthenticationKind {
    switch self {
    case .sas: .sas
    case .thumbprint: .thumbprint
    case .ca: .ca
    }
  }

  static let help: ArgumentHelp = "How it proves who it is."
}

/// The ways for modules, which the edge runtime may vouch for.
enum ModuleAuthentication: String, AuthenticationChoice {
  case sas
  case thumbprint
  case ca
  case none

  var kind: AuthenticationKind {
    switch self {
    case .sas: .sas
    case .thumbprint: .thumbprint
    case .ca: .ca
    case .none: .none
    }
  }

  static let help: ArgumentHelp =
    "How it proves who it is; none only with --managed-by iotEdge."
}

/// The options that say how an identity proves who it is.
struct AuthenticationOptions<Choice: AuthenticationChoice>: ParsableArguments {
  @Option(name: .customLong("auth"), help: Choice.help)
  var choice: Choice?

  @OptionGroup var keys: SymmetricKeyOptions

  @Option(
    help: ArgumentHelp(
      "Thumbprint of its certificate: 40 or 64 hexadecimal digits, or @FILE with the certificate.",
      valueName: "hex|@file"
    )
  )
  var thumbprint: String?

  @Option(
    help: ArgumentHelp(
      "Thumbprint of its next certificate, given likewise.",
      valueName: "hex|@file"
    )
  )
  var secondaryThumbprint: String?

  /// What messages call these options.
  static var names: String {
    "--auth, --primary-key with --secondary-key, --thumbprint, --secondary-thumbprint"
  }

  /// Whether nothing was said.
  var isEmpty: Bool {
    choice == nil && keys.isEmpty && thumbprint == nil && secondaryThumbprint == nil
  }

  private var auth: AuthenticationKind? { choice?.kind }

  func validate() throws {
    if (keys.primaryKey == nil) != (keys.secondaryKey == nil) {
      throw ValidationError("give both keys, --primary-key and --secondary-key, or none of them")
    }
    if !keys.isEmpty, thumbprint != nil || secondaryThumbprint != nil {
      throw ValidationError("an identity has keys or thumbprints, not both")
    }
    if !keys.isEmpty, let auth, auth != .sas {
      throw ValidationError("keys go with --auth sas")
    }
    if thumbprint != nil || secondaryThumbprint != nil, let auth, auth != .thumbprint {
      throw ValidationError("thumbprints go with --auth thumbprint")
    }
    if auth == .thumbprint, thumbprint == nil, secondaryThumbprint == nil {
      throw ValidationError("--auth thumbprint needs --thumbprint")
    }
  }

  /// The member `authentication` of a body, nil if nothing was said.
  func json() throws(CommandFailure) -> JSONValue? {
    if !keys.isEmpty { return ["type": "sas", "symmetricKey": .object(try keys.json())] }
    if thumbprint != nil || secondaryThumbprint != nil {
      return [
        "type": "selfSigned",
        "x509Thumbprint": [
          "primaryThumbprint": try Self.digest(thumbprint, "--thumbprint"),
          "secondaryThumbprint": try Self.digest(secondaryThumbprint, "--secondary-thumbprint"),
        ],
      ]
    }
    return auth.map { ["type": .string($0.wireName)] }
  }

  private static func digest(
    _ argument: String?,
    _ option: String
  ) throws(CommandFailure) -> JSONValue {
    guard let argument else { return .null }
    if argument.hasPrefix("@") {
      guard let certificate = PresentedCertificate(try InputText.bytes(argument)) else {
        throw CommandFailure(.usage, "\(option): \(argument.dropFirst()) holds no certificate")
      }
      return .string(certificate.sha256Thumbprint)
    }
    guard let thumbprint = Thumbprint(hex: argument) else {
      throw CommandFailure(
        .usage,
        "\(option): a thumbprint has 40 or 64 hexadecimal digits and nothing else",
        remedy: "Leave the colons out, or give the certificate: @FILE."
      )
    }
    return .string(thumbprint.hex)
  }
}

/// The two keys of an identity or a policy.
package enum KeySlot: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// The first.
  case primary
  /// The second, so that one can be replaced while the other is in use.
  case secondary
}

/// The names of identities, as arguments.
enum IdentityName {
  /// Checks a device ID before it travels.
  static func check(device: String) throws {
    guard DeviceID.isValid(device) else {
      throw ValidationError(
        "'\(Cell.visible(device))' is no device ID: 1 to 128 letters, digits and - . + % _ # * ? ! "
          + "( ) , : = @ $ '"
      )
    }
  }

  /// Checks a module ID before it travels.
  static func check(module: String) throws {
    guard ModuleID.isValid(module) else {
      throw ValidationError(
        "'\(Cell.visible(module))' is no module ID: like a device ID, and not beginning with $"
      )
    }
  }
}
