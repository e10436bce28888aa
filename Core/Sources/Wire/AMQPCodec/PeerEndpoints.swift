/// What a peer has begun: its channels, its handles, and deliveries that go on in the next transfer.
///
/// The engine trusts its peer in some things that AMQP 1.0 forbids, and would end the process or
/// grow without bound: a transfer on a link on which the peer only receives (§2.6), a delivery that
/// begins without an ID (§2.7.5), a handle or a channel that is in use already (§2.5.1, §2.6.2), a
/// handle beyond the maximum that it was told (§2.7.2). This looks first.
struct PeerEndpoints: Sendable {
  private struct Handle {
    let isSender: Bool
    var isUnfinished = false
  }

  /// A handle as the peer numbers it, on its channel.
  private struct End: Hashable {
    let channel: UInt16
    let handle: UInt32
  }

  /// The engine's own handle-max; what is beyond it, it takes for no handle.
  static let handleMaximum: UInt32 = 0x7FFF_FFFF

  private var channels: Set<UInt16> = []
  private var handles: [End: Handle] = [:]

  /// A begin: the channel is new.
  mutating func begin(channel: UInt16) throws(AMQPFault) {
    guard channels.insert(channel).inserted else { throw .endpointInUse }
  }

  /// An end: the channel is free again, and so are its handles.
  mutating func end(channel: UInt16) throws(AMQPFault) {
    guard channels.remove(channel) != nil else { throw .unknownEndpoint }
    handles = handles.filter { $0.key.channel != channel }
  }

  /// An attach with these fields (name, handle, role): the handle is new.
  mutating func attach(channel: UInt16, fields: [AMQPValue]) throws(AMQPFault) {
    guard fields.count > 2, case .uint(let handle) = fields[1],
      case .boolean(let isReceiver) = fields[2]
    else { throw .unexpectedType }
    guard channels.contains(channel), handle <= Self.handleMaximum else { throw .unknownEndpoint }
    let end = End(channel: channel, handle: handle)
    guard handles.updateValue(Handle(isSender: !isReceiver), forKey: end) == nil else {
      throw .endpointInUse
    }
  }

  /// A detach with these fields (handle): the handle is free again.
  mutating func detach(channel: UInt16, fields: [AMQPValue]) throws(AMQPFault) {
    guard case .uint(let handle)? = fields.first else { throw .unexpectedType }
    let end = End(channel: channel, handle: handle)
    guard handles.removeValue(forKey: end) != nil else { throw .unknownEndpoint }
  }

  /// A transfer with these fields (handle, delivery-id, delivery-tag, message-format, settled, more,
  /// rcv-settle-mode, state, resume, aborted).
  ///
  /// - Returns: Whether it begins a delivery, rather than going on with one.
  mutating func transfer(channel: UInt16, fields: [AMQPValue]) throws(AMQPFault) -> Bool {
    guard case .uint(let handle)? = fields.first else { throw .unexpectedType }
    let end = End(channel: channel, handle: handle)
    guard let known = handles[end] else { throw .unknownEndpoint }
    guard known.isSender else { throw .unexpectedFrame }
    if !known.isUnfinished {
      guard fields.count > 2, case .uint = fields[1], case .binary = fields[2] else {
        throw .unexpectedType
      }
    }
    // An aborted delivery does not go on, whatever it says of more.
    let goesOn = Self.saysMore(fields) && !Self.isTrue(fields, 9)
    handles[end]?.isUnfinished = goesOn
    return !known.isUnfinished
  }

  /// Whether a transfer's fields say that more of the delivery follows.
  static func saysMore(_ fields: [AMQPValue]) -> Bool { isTrue(fields, 5) }

  private static func isTrue(_ fields: [AMQPValue], _ index: Int) -> Bool {
    guard fields.count > index, case .boolean(true) = fields[index] else { return false }
    return true
  }
}
