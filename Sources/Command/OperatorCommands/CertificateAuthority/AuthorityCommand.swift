import ArgumentParser
import ByteIO
import JSONTree
import Platform

/// `orrery ca`: authorities whose certificates devices may connect with.
struct AuthorityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ca",
    abstract: "Register certificate authorities that vouch for devices.",
    discussion: """
      A device created with --auth ca connects with a certificate whose common name is its ID, signed \
      by a registered authority. Registering takes a proof that you hold the authority's key:

        orrery ca add plant ca.pem
        orrery ca prove plant --key ca.key

      or, if the key is somewhere else, 'ca code', a certificate with that code as common name signed \
      over there, and 'ca verify'.
      """,
    subcommands: [
      AuthorityAdd.self, AuthorityList.self, AuthorityShow.self, AuthorityCode.self,
      AuthorityVerify.self, AuthorityProve.self, AuthorityDelete.self,
    ]
  )
}

/// The argument that names an authority.
struct AuthorityArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("Your name for the authority.", valueName: "name"))
  var name: String

  /// Where it is.
  var path: [String] { ["certificates", name] }

  /// What messages call it.
  var subject: String { "authority '\(name)'" }
}

/// Reading certificates that travel to the hub.
enum CertificateFile {
  /// The body for a certificate in the file at `path`, PEM or DER.
  static func body(_ path: String) throws(CommandFailure) -> JSONValue {
    let certificate = try read(path)
    return ["certificate": .string(Base64.encode(certificate.der))]
  }

  /// The certificate in the file at `path`.
  static func read(_ path: String) throws(CommandFailure) -> PresentedCertificate {
    let bytes = try InputText.bytes(path == "-" ? path : "@\(path)")
    guard let certificate = PresentedCertificate(bytes) else {
      throw CommandFailure(
        .usage,
        "\(path) holds no certificate",
        remedy: "Give a certificate in PEM or DER form, without its private key."
      )
    }
    return certificate
  }
}

struct AuthorityAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Register an authority and get the code for its proof.",
    discussion: """
        orrery ca add plant ca.pem
        orrery ca add plant renewed.pem --replace
      """
  )

  @OptionGroup var target: AuthorityArgument
  @Argument(help: "The authority's certificate, PEM or DER.", completion: .file())
  var file: String
  @Flag(help: "Take the place of the one that has this name; it must be proved again.")
  var replace = false
  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let body = try CertificateFile.body(file)
    try await hub.withHub { client, printer in
      let etag = condition.etag ?? (replace ? "*" : nil)
      let request = HubRequest(.put, target.path).body(body).ifMatch(etag)
      try await client.perform(request, target.subject)
      try await AuthorityActions(hub: client, printer: printer).newCode(target)
    }
  }
}

/// What several of the commands do with an authority.
struct AuthorityActions: Sendable {
  let hub: HubClient
  let printer: Printer

  /// Asks for a new code and shows it with what to do next.
  func newCode(_ target: AuthorityArgument) async throws {
    let authority = try await code(target)
    printer.show(authority) { printer in
      printer.facts(AuthoritySheet.facts(authority))
      let code = authority[path: ["properties", "verificationCode"]]?.shown ?? ""
      printer.console.remark(
        """
        Now prove that you hold its key: orrery ca prove \(target.name) --key KEYFILE
        or sign a certificate with CN=\(code) and: orrery ca verify \(target.name) FILE
        """
      )
    }
  }

  /// A new code; earlier ones are void.
  func code(_ target: AuthorityArgument) async throws -> JSONValue {
    let request = HubRequest(.post, target.path + ["generateVerificationCode"])
    return try await hub.perform(request, target.subject).json()
  }

  /// Sends a proof.
  func verify(_ target: AuthorityArgument, _ proof: JSONValue) async throws {
    let request = HubRequest(.post, target.path + ["verify"]).body(proof)
    let authority = try await hub.perform(request, target.subject).json()
    printer.show(authority) { $0.facts(AuthoritySheet.facts(authority)) }
  }
}

struct AuthorityList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the registered authorities."
  )

  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let all = try await client.get(["certificates"], "the list of authorities").arrayValue ?? []
      printer.show(.array(all)) {
        $0.table(AuthoritySheet.table(all), none: "There are no registered authorities.")
      }
    }
  }
}

struct AuthorityShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show an authority."
  )

  @OptionGroup var target: AuthorityArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      let authority = try await client.get(target.path, target.subject)
      printer.show(authority) { $0.facts(AuthoritySheet.facts(authority)) }
    }
  }
}

struct AuthorityCode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "code",
    abstract: "Get a new code for the proof; earlier ones are void.",
    discussion: "  code=$(orrery ca code plant -o json | jq -r .properties.verificationCode)"
  )

  @OptionGroup var target: AuthorityArgument
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      try await AuthorityActions(hub: client, printer: printer).newCode(target)
    }
  }
}

struct AuthorityVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Send the proof: a certificate with the code, signed by the authority.",
    discussion: "  orrery ca verify plant proof.pem"
  )

  @OptionGroup var target: AuthorityArgument
  @Argument(help: "The proof, PEM or DER.", completion: .file())
  var file: String
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let proof = try CertificateFile.body(file)
    try await hub.withHub { client, printer in
      try await AuthorityActions(hub: client, printer: printer).verify(target, proof)
    }
  }
}

struct AuthorityProve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove",
    abstract: "Make the proof with the authority's key, and send it.",
    discussion: """
      The key stays on this machine: only a certificate for the hub's code leaves it.

        orrery ca prove plant --key ca.key
      """
  )

  @OptionGroup var target: AuthorityArgument
  @Option(
    help: ArgumentHelp("The authority's private key, PEM.", valueName: "file"),
    completion: .file()
  )
  var key: String
  @OptionGroup var hub: HubOptions

  func run() async throws {
    let privateKey = String(decoding: try InputText.bytes("@\(key)"), as: UTF8.self)
    try await hub.withHub { client, printer in
      let actions = AuthorityActions(hub: client, printer: printer)
      let authority = try await actions.code(target)
      guard let code = authority[path: ["properties", "verificationCode"]]?.stringValue,
        let text = authority[path: ["properties", "certificate"]]?.stringValue,
        let certificate = PresentedCertificate(Array(text.utf8))
      else { throw CommandFailure(.failure, "\(target.subject): the hub gave no code") }
      let proof = try PossessionProof.make(
        code: code,
        authority: certificate,
        privateKeyPEM: privateKey,
        keyOrigin: key,
        now: client.time
      )
      try await actions.verify(target, ["certificate": .string(Base64.encode(proof))])
    }
  }
}

struct AuthorityDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Forget an authority; devices that connected by it are dropped."
  )

  @OptionGroup var target: AuthorityArgument
  @OptionGroup var condition: ConditionOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withHub { client, printer in
      try Confirmation.ask("Delete \(target.subject)?", isSure: yes)
      let request = HubRequest(.delete, target.path).ifMatch(condition.etag ?? "*")
      try await client.perform(request, target.subject)
      printer.done("Deleted \(target.subject).")
    }
  }
}

/// Shows authorities to people.
enum AuthoritySheet {
  /// All facts about one.
  static func facts(_ authority: JSONValue) -> FactSheet {
    var sheet = FactSheet()
    let properties = authority["properties"]
    func text(_ name: String) -> String? { properties?[name]?.stringValue }
    sheet.append("name", authority["name"]?.stringValue)
    sheet.append("subject", text("subject"))
    sheet.append("thumbprint", text("thumbprint"))
    sheet.append("verified", properties?["isVerified"]?.shown)
    sheet.append("code", text("verificationCode"))
    sheet.append("expires", text("expiry").map(ShownTime.text))
    sheet.append("registered", text("created").map(ShownTime.text))
    sheet.append("etag", authority["etag"]?.stringValue)
    return sheet
  }

  /// A list of them.
  static func table(_ authorities: [JSONValue]) -> Table {
    var table = Table(["NAME", "VERIFIED", "EXPIRES", "SUBJECT"])
    for authority in authorities {
      let properties = authority["properties"]
      table.append([
        Cell(authority["name"]?.shown ?? "-", .strong),
        Cell(properties?["isVerified"]?.shown ?? "-"),
        Cell(ShownTime.text(properties?["expiry"]?.stringValue)),
        Cell(properties?["subject"]?.shown ?? "-", .plain),
      ])
    }
    return table
  }
}
