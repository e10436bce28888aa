import HubContract
import JSONTree

/// What commands do with an identity, be it a device's or a module's.
struct IdentityActions: Sendable {
  let hub: HubClient
  let printer: Printer

  /// Creates it, and shows what the hub made.
  func create(_ path: IdentityPath, _ body: JSONObject) async throws {
    let answer = try await hub.perform(
      HubRequest(.put, path.registry).body(.object(body)),
      of: path
    ).json()
    printer.show(answer) { printer in
      printer.facts(IdentitySheet.facts(answer, showsKeys: false))
      guard answer.key(.primary) != nil else { return }
      let noun = path.identity.moduleID == nil ? "device" : "module"
      let name = [path.identity.deviceID, path.identity.moduleID].compactMap(\.self)
      printer.console.remark(
        "Its connection string: orrery \(noun) connection-string \(name.joined(separator: " "))"
      )
    }
  }

  /// Shows it.
  func show(_ path: IdentityPath, showsKeys: Bool) async throws {
    let identity = try await hub.get(path.registry, of: path)
    printer.show(identity) { $0.facts(IdentitySheet.facts(identity, showsKeys: showsKeys)) }
  }

  /// Changes what `change` changes, on condition that nobody else did meanwhile.
  func update(
    _ path: IdentityPath,
    etag: String?,
    _ change: (inout JSONObject) async throws -> Void
  ) async throws {
    let current = try await hub.get(path.registry, of: path)
    guard var body = current.objectValue else {
      throw CommandFailure(.failure, "\(path.subject): the hub's answer is no object")
    }
    try await change(&body)
    let condition = etag ?? current["etag"]?.stringValue ?? "*"
    let answer = try await hub.perform(
      HubRequest(.put, path.registry).body(.object(body)).ifMatch(condition),
      of: path
    ).json()
    printer.show(answer) { $0.facts(IdentitySheet.facts(answer, showsKeys: false)) }
  }

  /// Deletes it, after asking a person.
  func delete(_ path: IdentityPath, etag: String?, isSure: Bool) async throws {
    try Confirmation.ask("Delete \(path.subject) with its twin and queue?", isSure: isSure)
    try await hub.perform(HubRequest(.delete, path.registry).ifMatch(etag ?? "*"), of: path)
    printer.done("Deleted \(path.subject).")
  }

  /// Prints its connection string.
  func connectionString(_ path: IdentityPath, slot: KeySlot, gateway: String?) async throws {
    let identity = try await hub.get(path.registry, of: path)
    let credential: ConnectionString.Credential
    switch identity[path: ["authentication", "type"]]?.stringValue {
    case "sas"?:
      guard let key = identity.key(slot) else {
        throw CommandFailure(.failure, "\(path.subject): the hub did not tell its key")
      }
      credential = .key(key)
    case "none"?:
      throw CommandFailure(
        .failure,
        "\(path.subject) has no credential of its own, so it has no connection string"
      )
    default: credential = .certificate
    }
    let text =
      ConnectionString.identity(
        host: hub.connection.host,
        path.identity,
        credential,
        gateway: gateway
      ).text
    printer.text(text, as: ["connectionString": .string(text)])
  }
}

/// Asking before something cannot be undone.
enum Confirmation {
  /// Goes on if the caller is sure already, or if the answer is yes.
  ///
  /// Where nobody is there to ask, it is refused: a script says `--yes`, and a mistake in one should
  /// not delete anything.
  static func ask(_ question: String, isSure: Bool) throws(CommandFailure) {
    let console = Console.current
    guard !isSure else { return }
    guard console.isInputTerminal else {
      throw CommandFailure(
        .usage,
        "\(question) Nobody can answer that, because the input is no terminal",
        remedy: "Give --yes to do it without being asked."
      )
    }
    guard console.confirms(question) else {
      throw CommandFailure(.failure, "nothing was done", remedy: "Answer y, or give --yes.")
    }
  }
}
