import HubContract
package import NIOCore
import Synchronization

/// A connection as other threads know it: something to send work to.
package final class DeviceHandle: Sendable {
  /// Unique in this process, from 1 on.
  package let id: UInt64
  /// Where the connection lives.
  package let eventLoop: any EventLoop
  private let presence: NIOLoopBoundBox<(any DevicePresence)?>
  private let isGone = Atomic<Bool>(false)
  private let subscribedToMethods = Atomic<Bool>(false)

  init(id: UInt64, connection: DeviceConnection, eventLoop: any EventLoop) {
    self.id = id
    self.eventLoop = eventLoop
    presence = NIOLoopBoundBox(connection, eventLoop: eventLoop)
  }

  /// A handle of a connection that speaks another protocol than MQTT; on its loop.
  package init(presence: any DevicePresence, eventLoop: any EventLoop) {
    id = DeviceConnection.numbers.add(1, ordering: .relaxed).newValue
    self.eventLoop = eventLoop
    self.presence = NIOLoopBoundBox(presence, eventLoop: eventLoop)
  }

  /// Whether direct methods can be delivered now.
  package var takesMethods: Bool {
    get { subscribedToMethods.load(ordering: .acquiring) }
    set { subscribedToMethods.store(newValue, ordering: .releasing) }
  }

  /// Runs `body` with the connection on its loop, unless it is gone by then.
  func execute(_ body: @escaping @Sendable (DeviceConnection) -> Void) {
    tell { if let connection = $0 as? DeviceConnection { body(connection) } }
  }

  /// The same with whatever is connected.
  func tell(_ body: @escaping @Sendable (any DevicePresence) -> Void) {
    ask { if let presence = $0 { body(presence) } }
  }

  /// Runs `body` with what is connected, on its loop, or with nil once it is gone.
  private func ask(_ body: @escaping @Sendable ((any DevicePresence)?) -> Void) {
    guard !isGone.load(ordering: .acquiring) else { return body(nil) }
    let presence = presence
    if eventLoop.inEventLoop {
      body(presence.value)
    } else {
      eventLoop.execute { body(presence.value) }
    }
  }

  /// Forgets the connection; on the loop.
  package func clear() {
    takesMethods = false
    isGone.store(true, ordering: .releasing)
    presence.value = nil
  }

  /// Closes the connection; `reason` goes to the log and the metrics.
  package func drop(_ reason: DropReason) { tell { $0.drop(reason) } }

  /// Tells the device of a change of its desired properties.
  package func deliverDesired(version: Int64, body: [UInt8]) {
    tell { $0.deliverDesired(version: version, body: body) }
  }

  /// Sends a direct method's request; `undelivered` is called if nobody takes it any more.
  package func deliverMethod(
    name: String,
    requestID: String,
    payload: [UInt8],
    undelivered: @escaping @Sendable () -> Void
  ) {
    ask { presence in
      let isDelivered =
        presence?.deliverMethod(name: name, requestID: requestID, payload: payload) ?? false
      if !isDelivered { undelivered() }
    }
  }

  /// Tells the connection that messages wait at its inputs.
  package func inputsWait() { tell { $0.pullInputs() } }

  /// Tells the connection that messages wait for its device.
  package func cloudToDeviceWaits() { tell { $0.pullCloudToDevice() } }
}

/// Why the hub ended a connection of its own accord.
package enum DropReason: String, Sendable, CaseIterable {
  /// The identity connected again (400027).
  case takenOver = "taken-over"
  /// The identity was disabled.
  case disabled
  /// The identity was deleted.
  case deleted
  /// The key or thumbprint it came with is no longer its own.
  case credentialChanged = "credential-changed"
  /// Its token has expired (401003).
  case tokenExpired = "token-expired"
  /// The hub stops.
  case stopping
  /// The message log could not take its telemetry; it sends it again.
  case notKept = "not-kept"
  /// More answers wait for the client than it may leave unread.
  case overloaded
  /// It took messages of its inputs and has acknowledged none for too long.
  case unacknowledged
  /// A tester asked for it.
  case injectedFault = "injected-fault"
}
