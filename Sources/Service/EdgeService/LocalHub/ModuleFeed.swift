import ByteIO
import EdgeEngine
import Endpoints
import HubContract
import MessageLog
import Platform

/// What routes bring to the inputs of one connected module, out of the store.
///
/// Confined to the connection's event loop. What is not settled when it is closed waits in its queue
/// for the next one.
final class ModuleFeed: InputFeed {
  /// The queue of one input.
  private final class Inbox {
    let number: UInt16
    /// The input, and its name in topics.
    let input: String
    let name: [UInt8]
    let disk: LinuxDisk
    var reader: QueueReader<LinuxDisk>
    var unsettled = 0
    var heads = HeadCache<Head>()

    init(_ number: UInt16, _ name: String, _ disk: LinuxDisk) {
      self.number = number
      input = name
      self.name = PercentCoding.encode(name.utf8)
      self.disk = disk
      reader = QueueReader(disk: disk)
    }
  }

  /// What depends on a message's head alone.
  ///
  /// A class, so that what is kept is taken with one count of references.
  private final class Head {
    /// The properties as the module gets them.
    let bag: [UInt8]
    /// Where the figures are.
    let place: Int

    init(bag: [UInt8], place: Int) {
      self.bag = bag
      self.place = place
    }
  }

  private struct Delivery {
    let inbox: Inbox
    let sequence: UInt64
    let priority: PriorityClass
    let sent: DeliveryFigures.Sent
  }

  private let store: StoreService
  private let figures: DeliveryFigures
  private let module: String
  /// What the names of its endpoints begin with.
  private let prefix: String
  private var inboxes: [Inbox] = []
  private var next = 0
  private var generation = -1
  private var watcher: UInt64 = 0
  private var deliveries: [UInt64: Delivery] = [:]
  private var last: UInt64 = 0

  /// Settlements that are told to the store together.
  private static let settlementBatch = 32

  init(
    _ identity: IdentityKey,
    store: StoreService,
    figures: DeliveryFigures,
    wake: @escaping @Sendable () -> Void
  ) {
    self.store = store
    self.figures = figures
    module = identity.clientID
    prefix = "\(module)/"
    watcher = store.watch([], wake: wake)
  }

  func take(limit: Int, _ visit: Visit) -> Int {
    refresh()
    var taken = 0
    var idle = 0
    while taken < limit, idle < inboxes.count {
      let inbox = inboxes[next % inboxes.count]
      next = (next + 1) % inboxes.count
      let count = take(limit - taken, from: inbox, visit)
      idle = count == 0 ? idle + 1 : 0
      taken += count
    }
    return taken
  }

  private func take(_ limit: Int, from inbox: Inbox, _ visit: Visit) -> Int {
    let name = inbox.name
    // A second time if space was given back meanwhile.
    for _ in 0..<2 {
      guard let view = store.endpoint(inbox.number)?.view else { return 0 }
      let (time, start) = (store.now, SystemClock.now())
      do throws(LogFault) {
        let reading = try inbox.reader.read(
          in: view,
          age: time.savedAge,
          maxMessages: limit
        ) { message in
          last += 1
          let head: Head
          if let known = inbox.heads.value(of: message) {
            head = known
          } else {
            let place = figures.place(of: message, to: module, input: inbox.input)
            head = Head(bag: bag(of: message), place: place)
            inbox.heads.keep(head, of: message)
          }
          deliveries[last] = Delivery(
            inbox: inbox,
            sequence: message.sequence,
            priority: message.priority,
            sent: figures.sending(message, at: head.place, start: start, now: time.calendar)
          )
          let bag = head.bag
          visit(last, name.span, bag.span, message.event.body)
        }
        if reading.expiredCount > 0 {
          store.expired(reading.expiredSenders)
          tell(inbox)
        }
        return reading.messageCount
      } catch .viewOutdated {
        continue
      } catch {
        return 0
      }
    }
    return 0
  }

  /// The message's own properties, and who sent it, which the sender itself can't say.
  private func bag(of message: StoredMessage) -> [UInt8] {
    let event = message.event
    var out: [UInt8] = []
    out.reserveCapacity(event.bagRange.count + 64)
    let bag = event.bag
    var entries = bag.makeIterator()
    while let entry = entries.next() {
      switch bag.systemProperty(of: entry) {
      case .connectionDeviceID, .connectionModuleID, .edgeMessageID, .outputName: continue
      default: break
      }
      if !out.isEmpty { out.append(UInt8(ascii: "&")) }
      let range = entry.key.lowerBound..<(entry.value?.upperBound ?? entry.key.upperBound)
      out += event.bytes.extracting(event.bagRange).extracting(range).array()
    }
    if !out.isEmpty { out.append(UInt8(ascii: "&")) }
    out += Self.senderDevice
    PercentCoding.append(event.bytes.extracting(event.deviceIDRange).array(), to: &out)
    if !event.moduleIDRange.isEmpty {
      out += Self.senderModule
      PercentCoding.append(event.bytes.extracting(event.moduleIDRange).array(), to: &out)
    }
    return out
  }

  private static let senderDevice = Array("%24.cdid=".utf8)
  private static let senderModule = Array("&%24.cmid=".utf8)

  func settled(_ delivery: UInt64) {
    guard let delivery = deliveries.removeValue(forKey: delivery) else { return }
    figures.confirmed(delivery.sent, now: SystemClock.now())
    let inbox = delivery.inbox
    inbox.reader.settle(delivery.sequence, delivery.priority)
    inbox.unsettled += 1
    if inbox.unsettled >= Self.settlementBatch || deliveries.isEmpty { tell(inbox) }
  }

  private func tell(_ inbox: Inbox) {
    inbox.unsettled = 0
    store.settle(inbox.number, inbox.reader.takeSettlements())
  }

  func close() {
    store.unwatch(watcher)
    for inbox in inboxes { tell(inbox) }
    store.tellReaders()
    inboxes = []
    deliveries = [:]
  }

  /// Takes over the endpoints that there are now.
  private func refresh() {
    let current = store.generation
    guard current != generation else { return }
    generation = current
    let known = Dictionary(inboxes.map { ($0.number, $0) }) { first, _ in first }
    inboxes = store.endpoints(prefix: prefix).map { number, endpoint in
      known[number]
        ?? Inbox(number, String(endpoint.name.dropFirst(prefix.count)), endpoint.disk)
    }
    store.watch(Set(inboxes.map(\.number)), as: watcher)
  }
}
