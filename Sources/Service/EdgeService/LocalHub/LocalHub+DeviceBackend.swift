import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import Logging
import MQTT
import Platform
import Synchronization

extension LocalHub: DeviceBackend {
  func established(_ handle: DeviceHandle, _ device: AdmittedDevice) -> Bool {
    let now = store.calendar
    guard case .entered(let old) = directory.enter(handle, device, now: now) else { return false }
    let key = device.identity
    if let old {
      old.drop(.takenOver)
      figures.count(.disconnects, key.clientID)
      methods.connectionLost(key)
    }
    clients.withLock { $0.connected(key, now: now) }
    figures.count(.connects, key.clientID)
    twins.connected(key, handle)
    return true
  }

  func ended(_ handle: DeviceHandle, _ device: AdmittedDevice) {
    let key = device.identity
    guard directory.leave(handle, key) else { return }
    figures.count(.disconnects, key.clientID)
    methods.connectionLost(key)
    clients.withLock { $0.disconnected(key, now: store.calendar) }
    twins.disconnected(key)
    commands.disconnected(key)
  }

  func remember(
    _ subscriptions: [(filter: String, quality: UInt8)]?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  ) {
    sessions.set(subscriptions, of: identity, reply: reply)
  }

  func desiredSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    twins.desiredWanted(identity)
  }

  func methodsSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.subscribed(identity, handle)
    commands.methodsWanted(identity)
  }

  func methodsUnsubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {
    methods.unsubscribed(identity, handle)
    commands.methodsUnwanted(identity)
  }

  func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void) {
    twins.twin(of: identity, isForEdge: scope.isBehindAnotherEdge(identity), reply: reply)
  }

  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    onVersion: Int64?,
    reply: @escaping @Sendable (TwinReply) -> Void
  ) {
    twins.patchReported(body, of: identity, reply: reply)
  }

  func methodAnswered(
    requestID: [UInt8],
    status: Int?,
    body: [UInt8],
    by identity: IdentityKey
  ) {
    methods.answered(requestID: requestID, status: status, body: body, by: identity)
  }

  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    isTimed: Bool,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  ) {
    commands.takeCloudToDevice(handle, of: identity, limit: limit, reply: reply)
  }

  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    commands.returnCloudToDevice(token: token, of: identity)
  }

  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    commands.completeCloudToDevice(token: token, of: identity)
  }

  func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    commands.rejectCloudToDevice(token: token, of: identity)
  }

  func openInputs(_ handle: DeviceHandle, of identity: IdentityKey) -> (any InputFeed)? {
    guard identity.moduleID != nil else { return nil }
    return ModuleFeed(identity, store: store, figures: figures.deliveries(to: identity)) {
      [weak handle] in handle?.inputsWait()
    }
  }
}
