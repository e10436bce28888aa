import ArgumentParser
import HubContract
import JSONTree

/// The options that bring a pair of keys, never on the command line itself.
struct SymmetricKeyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "First key, in base64: @FILE, - (a line of the input) or env:NAME.",
      valueName: "source"
    ),
    transform: SecretSource.init(argument:)
  )
  var primaryKey: SecretSource?

  @Option(
    help: ArgumentHelp("Second key, in base64, given likewise.", valueName: "source"),
    transform: SecretSource.init(argument:)
  )
  var secondaryKey: SecretSource?

  /// Whether neither was given.
  var isEmpty: Bool { primaryKey == nil && secondaryKey == nil }

  func validate() throws {
    try primaryKey?.check("--primary-key")
    try secondaryKey?.check("--secondary-key")
  }

  /// The keys that were given, as members of the body `symmetricKey`.
  func json() throws(CommandFailure) -> JSONObject {
    var keys: JSONObject = [:]
    if let primaryKey { keys["primaryKey"] = .string(try primaryKey.key("--primary-key").base64) }
    if let secondaryKey {
      keys["secondaryKey"] = .string(try secondaryKey.key("--secondary-key").base64)
    }
    return keys
  }
}
