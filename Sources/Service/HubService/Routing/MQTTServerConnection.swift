import Endpoints
import HubContract
import MQTT
import NIOCore
import Platform

/// The one connection of an endpoint to its MQTT server: made when it is first wanted, and anew after it
/// was lost.
///
/// Not its business: when to try again, which those do who want it.
actor MQTTServerConnection {
  /// A connection that stands, or stood a moment ago.
  struct Opened: Sendable {
    let link: ClientLink
    /// Whether it was made for this call.
    let isNew: Bool
    fileprivate let number: Int
  }

  private static let keepAliveSeconds: UInt16 = 60

  private let settings: MQTTTopicEndpoint
  private let clientID: String
  /// The folder of the files that are named.
  private let secrets: String
  private let eventLoop: any EventLoop
  /// Awaited by all who want the connection, and by `close`.
  private var connecting: Task<ClientLink, any Error>?
  /// Counts connections, so that one is given up once.
  private var number = 0

  init(
    _ settings: MQTTTopicEndpoint,
    clientID: String,
    secrets: String,
    on eventLoop: any EventLoop
  ) {
    self.settings = settings
    self.clientID = clientID
    self.secrets = secrets
    self.eventLoop = eventLoop
  }

  /// The connection, which is made if there is none.
  ///
  /// Throws a `ClientFault`, or what is wrong with a file.
  func open() async throws -> Opened {
    let isNew = connecting == nil
    if isNew { number += 1 }
    let mine = number
    let task = connecting ?? Task { try await connect() }
    connecting = task
    do {
      let link = try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
      return Opened(link: link, isNew: isNew, number: mine)
    } catch {
      if number == mine { connecting = nil }
      throw error
    }
  }

  /// Gives `opened` up, so that the next one who wants a connection gets another.
  func drop(_ opened: Opened) {
    opened.link.disconnect()
    if number == opened.number { connecting = nil }
  }

  /// Leaves in good order.
  func close() async {
    guard let connecting else { return }
    self.connecting = nil
    connecting.cancel()
    if let link = try? await connecting.value { await link.close() }
  }

  /// Files are read for each connection, so that they can be replaced.
  private func connect() async throws -> ClientLink {
    var request = ConnectRequest(
      clientIdentifier: Array(clientID.utf8),
      cleanSession: true,
      keepAliveSeconds: Self.keepAliveSeconds,
      userName: settings.userName.map { Array($0.utf8) }
    )
    request.password = try settings.passwordName.map { try SecretFile.line(path($0)) }
    return try await ClientLink.open(
      host: settings.host,
      port: settings.port,
      tls: settings.isEncrypted ? try tls() : nil,
      request: request,
      takesMessages: false,
      on: eventLoop
    )
  }

  private func tls() throws -> ClientTLS {
    let authority = try settings.authorityName.map { try SecretFile.pem(path($0)) }
    let certificate = try settings.certificateName.map { try SecretFile.pem(path($0)) }
    do {
      return try ClientTLS(
        trustAnchorsPEM: authority,
        certificateChainPEM: certificate,
        privateKeyPEM: certificate
      )
    } catch {
      // What the library says of it names neither the file nor what should be in it.
      throw ClientFault.failed(
        "the files of caName and certificateName must hold certificates in PEM form, the latter a"
          + " key too"
      )
    }
  }

  private func path(_ name: String) -> String { "\(secrets)/\(name)" }
}
