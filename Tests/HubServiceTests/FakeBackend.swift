import ByteIO
import Endpoints
import HubContract
import Synchronization
import Testing

/// A backend that lets everybody in and answers when the test wants it.
final class FakeBackend: DeviceBackend {
  struct State {
    /// What was asked, in order.
    var calls: [String] = []
    var isRemembered: (@Sendable (Bool) -> Void)?
    var taken: (@Sendable ([CloudToDeviceDelivery]) -> Void)?
    var handle: DeviceHandle?
    var returned: [[UInt8]] = []
    /// How often the registry changes between an admission and the connection.
    var changes = 0
  }

  let state = Mutex(State())
  /// What the hub remembers of the session.
  private let session: [(filter: String, quality: UInt8)]?

  private let credential: DeviceCredential

  init(session: [(filter: String, quality: UInt8)]? = nil) throws {
    self.session = session
    credential = .key(try #require(SymmetricKey(bytes: Array(repeating: 7, count: 32))))
  }

  var calls: [String] { state.withLock { $0.calls } }
  private func note(_ call: String) { state.withLock { $0.calls.append(call) } }

  func admit(
    _ request: DeviceConnectRequest,
    reply: @escaping @Sendable (DeviceAdmission) -> Void
  ) {
    note(request.isJudgedAgain ? "admit again" : "admit")
    let identity = IdentityKey(deviceID: String(decoding: request.clientID, as: UTF8.self))
    reply(
      .accepted(
        AdmittedDevice(
          identity: identity,
          credential: credential,
          stamp: EventStamp(identity: identity),
          partition: 0,
          session: session,
          expiry: nil,
          epoch: 0
        )
      )
    )
  }

  func established(_ handle: DeviceHandle, _ device: AdmittedDevice) -> Bool {
    let hasChanged = state.withLock { state in
      state.handle = handle
      state.changes -= 1
      return state.changes >= 0
    }
    if hasChanged { return false }
    note("established")
    return true
  }

  func sender(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<ChildSender>) -> Void
  ) {
    reply(.refused)
  }

  func admit(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<AdmittedDevice>) -> Void
  ) {
    reply(.refused)
  }

  func ended(_ handle: DeviceHandle, _ device: AdmittedDevice) { note("ended") }

  func remember(
    _ subscriptions: [(filter: String, quality: UInt8)]?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  ) {
    note(subscriptions == nil ? "forget" : "remember")
    state.withLock { $0.isRemembered = reply }
  }

  func methodsSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    note("methods subscribed")
  }

  func methodsUnsubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    note("methods unsubscribed")
  }

  func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void) {}

  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    onVersion: Int64?,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {}

  func methodAnswered(
    requestID: [UInt8],
    status: Int?,
    body: [UInt8],
    by identity: IdentityKey
  ) {}

  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    isTimed: Bool,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  ) {
    note("take")
    state.withLock { $0.taken = reply }
  }

  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    state.withLock { $0.returned.append(token) }
  }

  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey) { note("complete") }

  func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey) { note("reject") }
}
