package import HubContract

/// The provisioning service as one connection knows it: whoever connected is known already.
package protocol ProvisioningClient: Sendable {
  /// Who connected.
  var registrationID: String { get }
  /// Answers a request; `reply` is called once, from any thread.
  func answer(
    _ request: ProvisioningTopics.Request,
    body: [UInt8],
    reply: @escaping @Sendable (ProvisioningReply) -> Void
  )
}

/// The answer to a request of a device that is being provisioned.
package struct ProvisioningReply: Sendable {
  /// Status as in HTTP.
  package let status: Int
  /// When to ask again.
  package let retryAfterSeconds: Int?
  /// JSON.
  package let body: [UInt8]

  package init(status: Int, retryAfterSeconds: Int? = nil, body: [UInt8]) {
    self.status = status
    self.retryAfterSeconds = retryAfterSeconds
    self.body = body
  }
}
