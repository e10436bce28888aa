import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import NIOCore
import Platform
import Synchronization

/// The uplink as other threads know it, and what has come from there for those who connect here.
final class UpstreamHandle: CommandsFromAbove, Sendable {
  private struct Waiting {
    var messages: [(number: UInt64, message: UplinkMessage)] = []
    var taken: [UInt64: UplinkMessage] = [:]
    var handle: DeviceHandle?
  }

  private struct State {
    var isConnected = false
    var topics: [IdentityKey: UplinkTopics] = [:]
    var waiting: [IdentityKey: Waiting] = [:]
    var last: UInt64 = 0
  }

  private let service = Mutex<NIOLoopBound<UpstreamService>?>(nil)
  private let state = Mutex(State())
  private let onDesired = Mutex<(@Sendable (IdentityKey, Int64?, [UInt8]) -> Void)?>(nil)
  private let onConnection = Mutex<(@Sendable (Bool) -> Void)?>(nil)

  /// Leads to `service` from now on, or nowhere.
  func attach(_ bound: NIOLoopBound<UpstreamService>?) { service.withLock { $0 = bound } }

  /// Runs `body` with the service on its loop; not at all if there is none.
  func tell(_ body: @escaping @Sendable (UpstreamService) -> Void) {
    guard let bound = service.withLock({ $0 }) else { return }
    bound.eventLoop.execute { body(bound.value) }
  }

  /// Has `body` called for each change of desired properties of a client.
  func onDesired(_ body: @escaping @Sendable (IdentityKey, Int64?, [UInt8]) -> Void) {
    onDesired.withLock { $0 = body }
  }

  /// Has `body` called when the uplink stands, and when it does not any more.
  func onConnection(_ body: @escaping @Sendable (Bool) -> Void) {
    onConnection.withLock { $0 = body }
  }

  /// Whether the hub above is reached.
  var isConnected: Bool { state.withLock { $0.isConnected } }

  /// Something that the local hub reports has changed.
  func reportSoon() { tell { $0.reportSoon() } }

  // MARK: From the uplink

  func connected(_ isConnected: Bool) {
    state.withLock { state in
      state.isConnected = isConnected
      // What waits comes again; what a device has now it may complete in vain.
      for key in state.waiting.keys { state.waiting[key]?.messages = [] }
    }
    onConnection.withLock { $0 }?(isConnected)
  }

  func desired(of identity: IdentityKey, version: Int64?, patch: [UInt8]) {
    onDesired.withLock { $0 }?(identity, version, patch)
  }

  func message(_ message: UplinkMessage) {
    let handle = state.withLock { state -> DeviceHandle? in
      state.last += 1
      let number = state.last
      state.waiting[message.identity, default: Waiting()].messages.append((number, message))
      return state.waiting[message.identity]?.handle
    }
    handle?.cloudToDeviceWaits()
  }

  // MARK: For the clients

  func methodsWanted(_ identity: IdentityKey) { follow(identity) { $0.insert(.methods) } }
  func methodsUnwanted(_ identity: IdentityKey) { follow(identity) { $0.remove(.methods) } }
  /// A client wants to hear of changes of its desired properties.
  func desiredWanted(_ identity: IdentityKey) { follow(identity) { $0.insert(.desired) } }

  private func follow(_ identity: IdentityKey, _ change: (inout UplinkTopics) -> Void) {
    let topics = state.withLock { state -> UplinkTopics in
      change(&state.topics[identity, default: []])
      return state.topics[identity] ?? []
    }
    tell { $0.uplink.follow(identity, topics) }
  }

  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  ) {
    let (taken, isNew) = state.withLock { state -> ([CloudToDeviceDelivery], Bool) in
      var waiting = state.waiting[identity] ?? Waiting()
      let isNew = waiting.handle !== handle
      waiting.handle = handle
      var taken: [CloudToDeviceDelivery] = []
      while taken.count < limit, let (number, message) = waiting.messages.first {
        waiting.messages.removeFirst()
        waiting.taken[number] = message
        taken.append(
          CloudToDeviceDelivery(
            sequence: number,
            token: Self.token(number),
            bag: message.bag,
            body: message.body
          )
        )
      }
      state.waiting[identity] = waiting
      return (taken, isNew)
    }
    if isNew { follow(identity) { $0.insert(.cloudToDevice) } }
    reply(taken)
  }

  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    settle(token, of: identity, .abandon)
  }

  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    settle(token, of: identity, .complete)
  }

  func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey) {
    settle(token, of: identity, .reject)
  }

  private func settle(
    _ token: [UInt8],
    of identity: IdentityKey,
    _ outcome: ChildSettlement.Outcome
  ) {
    guard let number = Self.number(token) else { return }
    let message = state.withLock { $0.waiting[identity]?.taken.removeValue(forKey: number) }
    guard let message else { return }
    tell { $0.uplink.settle(message, outcome) }
  }

  func disconnected(_ identity: IdentityKey) {
    let taken = state.withLock { state -> [UplinkMessage] in
      state.topics[identity] = nil
      let waiting = state.waiting.removeValue(forKey: identity)
      return waiting.map { Array($0.taken.values) + $0.messages.map(\.message) } ?? []
    }
    tell { service in
      for message in taken { service.uplink.settle(message, .abandon) }
      service.uplink.follow(identity, [])
    }
  }

  /// As long as a UUID, which stock clients of AMQP want it to be.
  private static func token(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } + Array(repeating: 0, count: 8)
  }

  private static func number(_ token: [UInt8]) -> UInt64? {
    guard token.count == 16 else { return nil }
    return token.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
