import ByteIO
import HubContract
import NIOCore
import Platform

/// Those for whom an edge hub acts on its own connection: whom it sends for, and who is present there.
///
/// Sending needs no presence: what a child handed over goes up long after it has left. A child is
/// present while the edge hub has subscribed to something of it, and that is then the child's only
/// connection, as its own would be. Confined to the connection's event loop.
final class EdgeHubChildren {
  /// Children that are remembered, and that may be present; those beyond are asked for each time, or
  /// refused.
  static let limit = 4_096
  /// Bytes of properties that an edge hub may add to a child's message.
  static let addedBytes = 512
  /// Children whose cloud-to-device messages are being read at a time.
  private static let pullLimit = 16

  let device: AdmittedDevice
  unowned let connection: DeviceConnection
  /// The edge's messages that are durable already.
  let messages: EdgeMessages
  /// Whether it wants answers and notices for children.
  ///
  /// Without, a message for somebody who is not below it closes the connection.
  var takesAnswers = false

  private var senders: [IdentityKey: (answer: ChildAnswer<ChildSender>, end: Instant)] = [:]
  /// Who waits to hear whether the edge hub may act for a child, in the order in which they came.
  private var asking: [IdentityKey: [(ChildAnswer<ChildSender>) -> Void]] = [:]
  private var presences: [IdentityKey: ChildPresence] = [:]
  private var pullsUnderWay = 0
  private var waitingToPull: [ChildPresence] = []

  /// For how long a refusal holds.
  private static let refusalMilliseconds: UInt64 = 4_000

  init(of device: AdmittedDevice, on connection: DeviceConnection) {
    self.device = device
    self.connection = connection
    messages = connection.loop.edgeMessages.messages(of: device.identity)
  }

  /// The connection is gone, and with it everybody's presence.
  func end() {
    asking = [:]
    waitingToPull = []
    for presence in Array(presences.values) { presence.end() }
    presences = [:]
  }

  // MARK: Sending

  /// What is known of `child`; nil if the backend has to be asked.
  func known(_ child: IdentityKey) -> ChildAnswer<ChildSender>? {
    guard let known = senders[child], SystemClock.now() < known.end else { return nil }
    return known.answer
  }

  /// Finds out whether the edge hub may act for `child`.
  func judge(_ child: IdentityKey, then body: @escaping (ChildAnswer<ChildSender>) -> Void) {
    if let known = known(child) { return body(known) }
    if asking[child]?.append(body) != nil { return }
    guard let handle = connection.handle else { return }
    asking[child] = [body]
    connection.loop.backend.sender(child, by: device) { answer in
      handle.execute { $0.children?.judged(child, answer) }
    }
  }

  private func judged(_ child: IdentityKey, _ answer: ChildAnswer<ChildSender>) {
    if senders.count >= Self.limit { senders = [:] }
    switch answer {
    case .accepted(let sender): senders[child] = (answer, sender.end)
    case .refused:
      senders[child] = (answer, SystemClock.now().adding(milliseconds: Self.refusalMilliseconds))
    case .unavailable: senders[child] = nil
    }
    for body in asking.removeValue(forKey: child) ?? [] { body(answer) }
  }

  // MARK: Presence

  /// The presence of `child`, if it stands.
  func presence(of child: IdentityKey) -> ChildPresence? {
    presences[child].flatMap { $0.isEstablished ? $0 : nil }
  }

  /// Makes `child` present if it is not; `body` gets nil if it may not be.
  func enter(_ child: IdentityKey, then body: @escaping (ChildPresence?) -> Void) {
    if let presence = presences[child] { return presence.whenDecided(body) }
    // Nobody could say later whether a chain behind a chain still holds.
    guard presences.count < Self.limit, !device.credential.isChained else { return body(nil) }
    let presence = ChildPresence(child, self)
    presences[child] = presence
    presence.whenDecided(body)
    admit(child)
  }

  private func admit(_ child: IdentityKey) {
    guard let handle = connection.handle else { return }
    connection.loop.backend.admit(child, by: device) { answer in
      handle.execute { $0.children?.admitted(child, answer) }
    }
  }

  private func admitted(_ child: IdentityKey, _ answer: ChildAnswer<AdmittedDevice>) {
    guard let presence = presences[child] else { return }
    guard case .accepted(let admitted) = answer else {
      presences[child] = nil
      return presence.refused()
    }
    let handle = DeviceHandle(presence: presence, eventLoop: connection.loop.eventLoop)
    guard connection.loop.backend.established(handle, admitted) else {
      // The registry has changed meanwhile.
      handle.clear()
      return admit(child)
    }
    connection.loop.counters.children.count()
    presence.established(handle, admitted)
  }

  /// The edge hub has unsubscribed from something.
  func withdraw(_ wish: ChildWish) {
    guard let child = wish.child else { return takesAnswers = false }
    presences[child]?.whenDecided { $0?.remove(wish.filter) }
  }

  /// `presence` has ended.
  func forget(_ presence: ChildPresence) {
    connection.loop.counters.children.count(-1)
    presences[presence.identity] = nil
  }

  // MARK: Cloud-to-device messages

  /// Lets `presence` read its messages now, or when others have read theirs and the edge hub reads.
  func mayPull(_ presence: ChildPresence) -> Bool {
    guard pullsUnderWay < Self.pullLimit, connection.context?.channel.isWritable == true else {
      if !presence.isInLine { waitingToPull.append(presence) }
      presence.isInLine = true
      return false
    }
    pullsUnderWay += 1
    return true
  }

  func pulled() {
    pullsUnderWay -= 1
    pullWaiting()
  }

  /// Lets those read who wait for it.
  func pullWaiting() {
    let waiting = waitingToPull
    waitingToPull = []
    for presence in waiting {
      presence.isInLine = false
      presence.pullCloudToDevice()
    }
  }
}
