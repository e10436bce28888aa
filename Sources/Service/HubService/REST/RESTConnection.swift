package import NIOCore
package import Endpoints
import HTTPTypes
import NIOHTTPTypes

/// What answering a request needs of its connection, apart from the request itself.
package struct RESTConnection: Sendable {
  /// The chain that the client presented in the handshake.
  let presentedChain: @Sendable () async -> PresentedChain
  /// Sends `100 Continue`: the client waits for it before it sends the body.
  let sendContinue: @Sendable () -> Void
  /// Ends the connection once the response had time to leave.
  ///
  /// For requests whose body is not wanted: reading it to the end may never end.
  let closeSoon: @Sendable () -> Void
  /// The peer's address, for the log.
  let address: @Sendable () -> String
  /// Says that a request has shown a credential that holds.
  let authenticated: @Sendable () -> Void

  /// How long a client has to read the last response.
  private static let lingering = TimeAmount.seconds(5)

  package init(
    presentedChain: @escaping @Sendable () async -> PresentedChain = { PresentedChain([]) },
    sendContinue: @escaping @Sendable () -> Void = {},
    closeSoon: @escaping @Sendable () -> Void = {},
    address: @escaping @Sendable () -> String = { "unknown" },
    authenticated: @escaping @Sendable () -> Void = {}
  ) {
    self.presentedChain = presentedChain
    self.sendContinue = sendContinue
    self.closeSoon = closeSoon
    self.address = address
    self.authenticated = authenticated
  }

  /// The connection behind `channel`, whose last handler takes `HTTPResponsePart`.
  package init(_ channel: any Channel, authenticated: @escaping @Sendable () -> Void) {
    self.init(
      presentedChain: { await channel.presentedChain() },
      sendContinue: {
        channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)), promise: nil)
      },
      closeSoon: {
        channel.eventLoop.scheduleTask(in: Self.lingering) { channel.close(promise: nil) }
      },
      address: { channel.remoteAddress?.ipAddress ?? "unknown" },
      authenticated: authenticated
    )
  }
}
