import ArgumentParser
import HubContract
import JSONTree
import Platform

/// `create` of enrollments and groups.
struct EnrollmentCreate<Target: EnrollmentTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.create }

  @OptionGroup var target: Target
  @OptionGroup var attestation: AttestationOptions
  @OptionGroup var details: Target.Details
  @OptionGroup var settings: EnrollmentSettings
  @OptionGroup var hub: HubOptions

  func run() async throws {
    var body: JSONObject = ["attestation": ["type": "symmetricKey"]]
    try settings.apply(to: &body)
    body[Target.terms.idMember] = .string(target.id)
    if !attestation.isEmpty {
      body["attestation"] = try attestation.changed(nil, Target.terms)
    }
    details.apply(to: &body)
    let request = HubRequest(.put, target.path).body(.object(body))
    try await hub.withProvisioning { client, printer in
      let answer = try await client.perform(request, target.subject).json()
      printer.show(answer) { printer in
        printer.facts(EnrollmentSheet.facts(answer))
        if let scope = client.connection.idScope {
          printer.console.remark("Devices register with the ID scope \(scope).")
        }
        guard answer[path: ["attestation", "type"]] == "symmetricKey" else { return }
        let command = "orrery \(Target.terms.command) key \(target.id)"
        printer.console.remark(
          Target.terms.idMember == EnrollmentTerms.individual.idMember
            ? "Its key: \(command)" : "A device's key: \(command) --device REGISTRATION"
        )
      }
    }
  }
}

/// `list` of enrollments and groups.
struct EnrollmentList<Target: EnrollmentTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.list }

  @OptionGroup var page: PageOptions
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      let terms = Target.terms
      let pages = Pages(
        client,
        HubRequest(.post, [terms.collection, "query"])
          .body(["query": .string("SELECT * FROM \(terms.collection)")]),
        subject: "the list of \(terms.noun)s",
        limit: page.limit
      )
      let (rows, hasMore) = try await pages.all(progress: Progress("\(terms.noun)s"))
      printer.show(.array(rows)) {
        $0.table(EnrollmentSheet.table(rows, terms), none: "There are no \(terms.noun)s.")
      }
      if hasMore { page.remark(printer) }
    }
  }
}

/// `show` of enrollments and groups.
struct EnrollmentShow<Target: EnrollmentTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.show }

  @OptionGroup var target: Target
  @Flag(help: "Show the keys; takes a policy with EnrollmentWrite.") var showKeys = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      var enrollment = try await client.get(target.path, target.subject)
      if showKeys, var object = enrollment.objectValue {
        object["attestation"] = try await client.attestation(of: target)
        enrollment = .object(object)
      }
      printer.show(enrollment) { $0.facts(EnrollmentSheet.facts(enrollment)) }
    }
  }
}

/// `update` of enrollments and groups.
struct EnrollmentUpdate<Target: EnrollmentTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.update }

  @OptionGroup var target: Target
  @OptionGroup var attestation: AttestationOptions
  @OptionGroup var details: Target.Details
  @OptionGroup var settings: EnrollmentSettings
  @OptionGroup var condition: ConditionOptions
  @OptionGroup var hub: HubOptions

  func validate() throws {
    guard attestation.isEmpty, details.isEmpty, settings.isEmpty else { return }
    let names = EnrollmentSettings.names + Target.Details.names + AttestationOptions.names
    throw ValidationError("say what to change: \(names.joined(separator: ", "))")
  }

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      let current = try await client.get(target.path, target.subject)
      guard var body = current.objectValue else {
        throw CommandFailure(.failure, "\(target.subject): the hub's answer is no object")
      }
      try settings.apply(to: &body)
      if !attestation.isEmpty {
        body["attestation"] = try attestation.changed(body["attestation"], Target.terms)
      }
      details.apply(to: &body)
      let request = HubRequest(.put, target.path)
        .body(.object(body))
        .ifMatch(condition.etag ?? current["etag"]?.stringValue ?? "*")
      let answer = try await client.perform(request, target.subject).json()
      printer.show(answer) { $0.facts(EnrollmentSheet.facts(answer)) }
    }
  }
}

/// `delete` of enrollments and groups.
struct EnrollmentDelete<Target: EnrollmentTarget>: AsyncParsableCommand {
  static var configuration: CommandConfiguration { Target.delete }

  @OptionGroup var target: Target
  @OptionGroup var condition: ConditionOptions
  @Flag(name: [.long, .customShort("y")], help: "Do not ask.") var yes = false
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try Confirmation.ask("Delete \(target.subject)?", isSure: yes)
    try await hub.withProvisioning { client, printer in
      let request = HubRequest(.delete, target.path).ifMatch(condition.etag ?? "*")
      try await client.perform(request, target.subject)
      printer.done("Deleted \(target.subject).")
    }
  }
}

/// `orrery enrollment key`.
struct EnrollmentKeyCommand: AsyncParsableCommand {
  static let configuration = EnrollmentArgument.key

  @OptionGroup var target: EnrollmentArgument
  @Option(help: "Which of its keys: primary or secondary.") var key: KeySlot = .primary
  @OptionGroup var hub: HubOptions

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      let keys = try await client.keys(of: target)
      printer.text(keys[key].base64, as: keys.json)
    }
  }
}

/// `orrery enrollment-group key`.
struct EnrollmentGroupKeyCommand: AsyncParsableCommand {
  static let configuration = EnrollmentGroupArgument.key

  @OptionGroup var target: EnrollmentGroupArgument
  @Option(
    help: ArgumentHelp(
      "The key that is derived for this device, instead of the group's own.",
      valueName: "registration"
    )
  )
  var device: String?
  @Option(help: "Which of its keys: primary or secondary.") var key: KeySlot = .primary
  @OptionGroup var hub: HubOptions

  func validate() throws {
    if let device { try EnrollmentArgument.check(device) }
  }

  func run() async throws {
    try await hub.withProvisioning { client, printer in
      var keys = try await client.keys(of: target)
      if let device {
        guard let derived = keys.derived(for: device) else {
          throw CommandFailure(.failure, "\(target.subject): no key can be derived from its keys")
        }
        keys = derived
      }
      printer.text(keys[key].base64, as: keys.json)
    }
  }
}

/// The two keys of an enrollment, or of a device of a group.
struct EnrollmentKeys {
  let primary: SymmetricKey
  let secondary: SymmetricKey

  subscript(slot: KeySlot) -> SymmetricKey {
    switch slot {
    case .primary: primary
    case .secondary: secondary
    }
  }

  /// The keys of the device that registers as `registrationID` by this group's.
  func derived(for registrationID: String) -> EnrollmentKeys? {
    func derive(_ key: SymmetricKey) -> SymmetricKey? {
      DerivedKey.of(registrationID, groupKey: key, hmacSHA256: Hashing.hmacSHA256)
    }
    guard let first = derive(primary), let second = derive(secondary) else { return nil }
    return EnrollmentKeys(primary: first, secondary: second)
  }

  /// For programs.
  var json: JSONValue {
    ["primaryKey": .string(primary.base64), "secondaryKey": .string(secondary.base64)]
  }
}

extension HubClient {
  /// How devices of an enrollment prove who they are, keys included.
  fileprivate func attestation(of target: some EnrollmentTarget) async throws -> JSONValue {
    let request = HubRequest(.post, target.path + ["attestationmechanism"])
    return try await perform(request, target.subject).json()
  }

  /// An enrollment's keys.
  fileprivate func keys(of target: some EnrollmentTarget) async throws -> EnrollmentKeys {
    let attestation = try await attestation(of: target)
    func key(_ name: String) -> SymmetricKey? {
      attestation[path: ["symmetricKey", name]]?.stringValue.flatMap { SymmetricKey(base64: $0) }
    }
    guard let primary = key("primaryKey"), let secondary = key("secondaryKey") else {
      let type = attestation["type"]?.shown ?? "-"
      throw CommandFailure(
        .failure,
        "\(target.subject) has no keys, its devices prove themselves by \(type)"
      )
    }
    return EnrollmentKeys(primary: primary, secondary: secondary)
  }
}
