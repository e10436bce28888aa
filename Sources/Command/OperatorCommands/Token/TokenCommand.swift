import ArgumentParser
import HubContract
import JSONTree
import Platform

/// `orrery token`: shared access signatures.
struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Print tokens (shared access signatures) for other tools.",
    discussion: """
        curl --cacert ca.pem -H "Authorization: $(orrery token service)" \\
          'https://localhost/devices?api-version=2021-04-12'
        mosquitto_pub -P "$(orrery token device thermostat-1 --ttl 10m)" …
      """,
    subcommands: [TokenDevice.self, TokenService.self]
  )
}

/// Makes and prints tokens.
private enum TokenPrinter {
  /// Complains about tokens that nobody could use; their expiry counts whole seconds.
  static func check(_ lifetime: TimeSpan) throws {
    guard lifetime.milliseconds >= 1000 else { throw ValidationError("--ttl must be at least 1s") }
  }

  /// Prints a token for `resource`: alone for people and shells, with its facts as JSON.
  static func show(
    resource: String,
    key: SymmetricKey,
    policy: String?,
    lifetime: TimeSpan,
    now: Timestamp,
    _ printer: Printer
  ) {
    let expiry = now.adding(milliseconds: lifetime.milliseconds)
    let token = SharedAccessSignature.make(
      resource: resource,
      key: key,
      policy: policy,
      expirySeconds: expiry.seconds,
      hmacSHA256: Hashing.hmacSHA256
    )
    printer.text(
      token,
      as: [
        "token": .string(token), "resource": .string(resource),
        "expires": .string(Timestamp(seconds: expiry.seconds).iso8601),
      ]
    )
  }
}

struct TokenDevice: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device",
    abstract: "A token that a device or module connects with, signed with its own key.",
    discussion: "  orrery token device thermostat-1 --module camera --ttl 1d"
  )

  @OptionGroup var target: TwinArguments
  @Option(help: "Which of its keys: primary or secondary.") var key: KeySlot = .primary
  @Option(help: "How long it is valid, such as 1h.") var ttl = TimeSpan(seconds: 3600)
  @OptionGroup var hub: HubOptions

  func validate() throws { try TokenPrinter.check(ttl) }

  func run() async throws {
    try await hub.withHub { client, printer in
      let path = target.path
      let identity = try await client.get(path.registry, of: path)
      guard let key = identity.key(key) else {
        throw CommandFailure(
          .failure,
          "\(path.subject) has no keys, it proves itself by \(identity.authenticationName)"
        )
      }
      TokenPrinter.show(
        resource: SASResource(host: client.connection.host, identity: path.identity).description,
        key: key,
        policy: nil,
        lifetime: ttl,
        now: client.time,
        printer
      )
    }
  }
}

struct TokenService: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "service",
    abstract: "A token with the rights of a policy, for the REST interface.",
    discussion: """
      Without --policy it is the policy of the connection string, and the hub is not asked.

        orrery token service --ttl 10m
        orrery token service --policy registryRead
        orrery token service --policy device --resource devices/thermostat-1
      """
  )

  @Option(help: ArgumentHelp("The policy.", valueName: "name")) var policy: String?
  @Option(help: "Which of its keys: primary or secondary.") var key: KeySlot = .primary
  @Option(help: "How long it is valid, such as 1h.") var ttl = TimeSpan(seconds: 3600)
  @Option(help: ArgumentHelp("Only for this path of the hub.", valueName: "path"))
  var resource: String?
  @OptionGroup var hub: HubOptions

  func validate() throws { try TokenPrinter.check(ttl) }

  func run() async throws {
    try await hub.withHub { client, printer in
      let connection = client.connection
      var signer = (name: connection.policy, key: connection.key)
      if let policy {
        let subject = "policy '\(policy)'"
        let record = try await client.get(["policies", policy], subject)
        guard let key = PolicySheet.key(record, key) else {
          throw CommandFailure(.failure, "\(subject): the hub did not tell its key")
        }
        signer = (policy, key)
      }
      let path = resource.map { "/" + $0.drop { $0 == "/" } } ?? ""
      TokenPrinter.show(
        resource: connection.host + path,
        key: signer.key,
        policy: signer.name,
        lifetime: ttl,
        now: client.time,
        printer
      )
    }
  }
}
