public import ByteIO

/// A direct method on its way to a connection (contract §3.7).
public struct MethodDelivery: Equatable, Sendable {
  /// Whose connection.
  public var key: IdentityKey
  /// The `$rid` of the request topic: lower-case hexadecimal, never used twice by one broker.
  public var requestID: [UInt8]
  /// The method's name, not yet percent-encoded.
  public var name: String
  /// The payload, JSON or nothing.
  public var payload: [UInt8]

  /// Creates a delivery.
  public init(key: IdentityKey, requestID: [UInt8], name: String, payload: [UInt8]) {
    self.key = key
    self.requestID = requestID
    self.name = name
    self.payload = payload
  }
}

/// How an invocation ended, for its caller.
public struct MethodResult: Equatable, Sendable {
  /// How it ended.
  public enum Outcome: Equatable, Sendable {
    /// The client answered; what the bytes mean is still to be judged.
    case answered(status: Int?, body: [UInt8])
    /// It did not.
    case failed(HubError)
  }

  /// The caller's number of the invocation.
  public var call: UInt64
  /// How it ended.
  public var outcome: Outcome

  /// Creates a result.
  public init(call: UInt64, outcome: Outcome) {
    self.call = call
    self.outcome = outcome
  }
}

/// Brings direct methods to clients and their answers back (contract §3.7, §7.6).
///
/// An invocation *waits* until its client is connected and subscribed, at most its connect timeout;
/// then it is *sent*, once and never again, and waits for the answer until its response timeout,
/// which counts from the start. It ends by the answer, by a timeout, or when the connection it was
/// sent on is lost. A client's invocations are sent in the order in which they came.
///
/// The broker keeps nothing across restarts: callers are gone then as well. It knows no connection:
/// the driver says who is ready, and reports a take-over as `connectionLost`, then `subscribed`.
public struct MethodBroker: Sendable {
  /// How many invocations may be under way; more are refused with 429001.
  public struct Limits: Equatable, Sendable {
    /// For all clients.
    public var total = 10_000
    /// For one client.
    public var perIdentity = 100

    /// The defaults.
    public init() {}
  }

  /// What the driver does with a new invocation.
  public enum InvokeAction: Equatable, Sendable {
    /// Send it to the client's connection now.
    case send(MethodDelivery)
    /// Nothing: it waits for the client.
    case wait
    /// Answer the caller: it ends here.
    case fail(HubError)
  }

  private enum Progress: Sendable { case waiting, sent }

  private struct Invocation: Sendable {
    var call: UInt64
    var delivery: MethodDelivery
    var progress: Progress
    var connectDeadline: Instant
    var responseDeadline: Instant
    var deadline: Instant { progress == .waiting ? connectDeadline : responseDeadline }
  }

  private let limits: Limits
  private var lastRequest: UInt64 = 0
  private var invocations: [UInt64: Invocation] = [:]
  /// The requests of each client, oldest first.
  private var requests: [IdentityKey: [UInt64]] = [:]
  private var deadlines = DeadlineHeap()

  /// Creates a broker without invocations.
  public init(limits: Limits = Limits()) { self.limits = limits }

  /// Invocations under way.
  public var count: Int { invocations.count }

  /// When `timeout` has something to do next; it may be earlier than necessary.
  public var nextDeadline: Instant? { deadlines.first }

  /// Takes an invocation.
  ///
  /// - Parameters:
  ///   - call: the caller's number for it, which the result repeats.
  ///   - key: the client; that it exists was checked.
  ///   - name: the method's name, checked.
  ///   - payload: JSON or nothing.
  ///   - responseSeconds: the response timeout.
  ///   - connectSeconds: the connect timeout, not above the other.
  ///   - isReady: whether the client is connected and subscribed to methods.
  ///   - now: the time.
  /// - Returns: what to do with it: 404103 without a client and without a connect timeout, 429001
  ///   above a limit.
  public mutating func invoke(
    call: UInt64,
    _ key: IdentityKey,
    name: String,
    payload: [UInt8],
    responseSeconds: Int,
    connectSeconds: Int,
    isReady: Bool,
    now: Instant
  ) -> InvokeAction {
    guard isReady || connectSeconds > 0 else { return .fail(Self.notOnline(key)) }
    guard invocations.count < limits.total,
      requests[key]?.count ?? 0 < limits.perIdentity
    else {
      return .fail(
        HubError(.throttlingException, "Too many direct methods wait for \(key); try again later.")
      )
    }
    lastRequest += 1
    let delivery = MethodDelivery(
      key: key,
      requestID: [UInt8](String(lastRequest, radix: 16).utf8),
      name: name,
      payload: payload
    )
    let invocation = Invocation(
      call: call,
      delivery: delivery,
      progress: isReady ? .sent : .waiting,
      connectDeadline: now.adding(milliseconds: UInt64(clamping: connectSeconds) &* 1000),
      responseDeadline: now.adding(milliseconds: UInt64(clamping: responseSeconds) &* 1000)
    )
    invocations[lastRequest] = invocation
    requests[key, default: []].append(lastRequest)
    deadlines.insert(invocation.deadline, lastRequest)
    return isReady ? .send(delivery) : .wait
  }

  /// A client is connected and subscribed to methods.
  ///
  /// - Returns: what waited for it, to be sent in this order.
  public mutating func subscribed(_ key: IdentityKey) -> [MethodDelivery] {
    var deliveries: [MethodDelivery] = []
    for request in requests[key] ?? [] {
      guard var invocation = invocations[request], invocation.progress == .waiting else {
        continue
      }
      invocation.progress = .sent
      invocations[request] = invocation
      deadlines.insert(invocation.deadline, request)
      deliveries.append(invocation.delivery)
    }
    return deliveries
  }

  /// A delivery could not be made: the connection was gone by then, or no longer took the method.
  ///
  /// - Returns: 404103; nil for one that has ended meanwhile, and for one whose connect timeout still
  ///   runs: that waits as if its client had been absent from the start.
  public mutating func undelivered(_ delivery: MethodDelivery, now: Instant) -> MethodResult? {
    guard
      let request = UInt64(String(decoding: delivery.requestID, as: UTF8.self), radix: 16),
      var invocation = invocations[request], invocation.progress == .sent
    else { return nil }
    if now < invocation.connectDeadline {
      invocation.progress = .waiting
      invocations[request] = invocation
      deadlines.insert(invocation.deadline, request)
      return nil
    }
    let key = invocation.delivery.key
    remove(request, of: key)
    return MethodResult(call: invocation.call, outcome: .failed(Self.notOnline(key)))
  }

  /// A client has answered.
  ///
  /// - Parameters:
  ///   - requestID: the `$rid` as it came.
  ///   - key: who answered.
  ///   - status: the status in the topic, nil if it was no integer.
  ///   - body: the answer's payload.
  /// - Returns: the result; nil for an unknown, late or repeated answer, which is dropped silently.
  public mutating func answered(
    requestID: [UInt8],
    by key: IdentityKey,
    status: Int?,
    body: [UInt8]
  ) -> MethodResult? {
    guard let request = UInt64(String(decoding: requestID, as: UTF8.self), radix: 16),
      let invocation = invocations[request], invocation.progress == .sent,
      invocation.delivery.key == key, invocation.delivery.requestID == requestID
    else { return nil }
    remove(request, of: key)
    return MethodResult(call: invocation.call, outcome: .answered(status: status, body: body))
  }

  /// A client's connection is lost, or its subscription is gone.
  ///
  /// - Returns: 404103 for all that was sent; what waits keeps waiting for the next connection.
  public mutating func connectionLost(_ key: IdentityKey) -> [MethodResult] {
    end(key) { $0.progress == .sent }
  }

  /// An identity is gone or disabled: nothing can come of any of its invocations.
  public mutating func identityGone(_ key: IdentityKey) -> [MethodResult] {
    end(key) { _ in true }
  }

  /// A caller has gone: its invocation is forgotten, whatever has become of it.
  public mutating func abandoned(call: UInt64, of key: IdentityKey) {
    for request in requests[key] ?? [] where invocations[request]?.call == call {
      remove(request, of: key)
    }
  }

  /// Time has passed.
  ///
  /// - Returns: 404103 for what waited in vain for its client, 504101 for what was sent in vain.
  public mutating func timeout(now: Instant) -> [MethodResult] {
    var results: [MethodResult] = []
    while let request = deadlines.popFirst(until: now) {
      // Entries of invocations that have ended or were sent meanwhile are passed over.
      guard let invocation = invocations[request], invocation.deadline <= now else { continue }
      let key = invocation.delivery.key
      remove(request, of: key)
      let error =
        switch invocation.progress {
        case .waiting: Self.notOnline(key)
        case .sent:
          HubError(.gatewayTimeout, "Timed out waiting for the response from device.")
        }
      results.append(MethodResult(call: invocation.call, outcome: .failed(error)))
    }
    return results
  }

  private mutating func end(
    _ key: IdentityKey,
    where isOver: (Invocation) -> Bool
  ) -> [MethodResult] {
    var results: [MethodResult] = []
    for request in requests[key] ?? [] {
      guard let invocation = invocations[request], isOver(invocation) else { continue }
      remove(request, of: key)
      results.append(
        MethodResult(call: invocation.call, outcome: .failed(Self.notOnline(key)))
      )
    }
    return results
  }

  private mutating func remove(_ request: UInt64, of key: IdentityKey) {
    invocations[request] = nil
    requests[key]?.removeAll { $0 == request }
    if requests[key]?.isEmpty == true { requests[key] = nil }
    // Entries of ended invocations stay until their time; a burst of answered ones must not pile up.
    if invocations.isEmpty { deadlines.removeAll() }
  }

  private static func notOnline(_ key: IdentityKey) -> HubError {
    HubError(
      .deviceNotOnline,
      "\(key) is not online, or has not subscribed to direct methods."
    )
  }
}
