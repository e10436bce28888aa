import ByteIO
@preconcurrency import Dispatch
package import HubContract
package import JSONTree
import Platform
import Synchronization

/// Direct methods between callers and connections, around `MethodBroker`.
package final class MethodService: Sendable {
  /// What a device answered.
  package struct Answer: Sendable {
    /// The device's own status, of its own choosing.
    package let status: Int
    /// JSON, or nil for an empty body.
    package let payload: JSONValue?
  }

  private struct State {
    var broker = MethodBroker()
    var callers: [UInt64: CheckedContinuation<MethodResult.Outcome, Never>] = [:]
    var lastCall: UInt64 = 0
    /// When the timer goes off; nil for never.
    var alarm: Instant?
  }

  private let state = Mutex(State())
  /// One for all invocations, set to the earliest deadline.
  private let timer: any DispatchSourceTimer
  private let directory: DeviceDirectory
  private let isLost: @Sendable (IdentityKey) -> Bool
  private let payloadLimit: Int

  /// Brings methods to the connections in `directory`.
  ///
  /// `isLost` says of a delivery that it shall be lost on the way, as a tester asks.
  package init(
    directory: DeviceDirectory,
    payloadLimit: Int,
    isLost: @escaping @Sendable (IdentityKey) -> Bool = { _ in false }
  ) {
    self.directory = directory
    self.isLost = isLost
    self.payloadLimit = payloadLimit
    timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "orrery.methods"))
    timer.setEventHandler { [weak self] in self?.expire(now: SystemClock.now()) }
    timer.activate()
  }

  /// Ends what is under way: nobody will answer any more.
  package func close() {
    expire(now: Instant(nanoseconds: .max))
    timer.cancel()
  }

  /// Invokes a method of a device or module that exists, and waits for the answer.
  ///
  /// - Throws: 404103 when the client is not there in time, 504101 when it does not answer in time,
  ///   429001 above a limit, 400006 when the answer is not what the contract allows.
  package func invoke(
    _ key: IdentityKey,
    _ request: DirectMethodRequest
  ) async throws(HubError) -> Answer {
    let payload = request.payload.map { JSON.bytes($0) } ?? []
    let outcome = await withCheckedContinuation { continuation in
      start(key, request, payload, continuation)
    }
    switch outcome {
    case .failed(let error): throw error
    case .answered(let status, let body):
      guard let status else {
        throw HubError(.iotHubFormatError, "The device's answer has no integer status.")
      }
      guard body.count <= payloadLimit else {
        throw HubError(
          .messageTooLarge,
          "The device's answer is longer than \(payloadLimit) bytes."
        )
      }
      if body.isEmpty { return Answer(status: status, payload: nil) }
      do throws(JSONFault) {
        return Answer(status: status, payload: try JSON.parse(body))
      } catch {
        throw HubError(.iotHubFormatError, "The device's answer is not JSON: \(error)")
      }
    }
  }

  private func start(
    _ key: IdentityKey,
    _ request: DirectMethodRequest,
    _ payload: [UInt8],
    _ continuation: CheckedContinuation<MethodResult.Outcome, Never>
  ) {
    let handle = directory[key]?.handle
    let now = SystemClock.now()
    let action = state.withLock { state in
      state.lastCall += 1
      let call = state.lastCall
      let action = state.broker.invoke(
        call: call,
        key,
        name: request.methodName,
        payload: payload,
        responseSeconds: request.responseTimeoutSeconds,
        connectSeconds: request.connectTimeoutSeconds,
        isReady: handle?.takesMethods == true,
        now: now
      )
      if case .fail = action {} else { state.callers[call] = continuation }
      setAlarm(&state, now: now)
      return action
    }
    switch action {
    case .fail(let error): continuation.resume(returning: .failed(error))
    case .send(let delivery): send(delivery, on: handle)
    case .wait:
      // The client may have subscribed between the look at the directory and the broker's.
      if let handle = directory[key]?.handle, handle.takesMethods { subscribed(key, handle) }
    }
  }

  private func send(_ delivery: MethodDelivery, on handle: DeviceHandle?) {
    guard let handle else { return undelivered(delivery, on: nil) }
    // Lost on the way: its time passes.
    guard !isLost(delivery.key) else { return }
    handle.deliverMethod(
      name: delivery.name,
      requestID: String(decoding: delivery.requestID, as: UTF8.self),
      payload: delivery.payload
    ) { [self] in undelivered(delivery, on: handle) }
  }

  /// The client has left, or unsubscribed, since it was looked at.
  private func undelivered(_ delivery: MethodDelivery, on handle: DeviceHandle?) {
    let now = SystemClock.now()
    finish { state in
      defer { setAlarm(&state, now: now) }
      return state.broker.undelivered(delivery, now: now).map { [$0] } ?? []
    }
    // Where it waits again, another connection may have said before that it is there.
    if let newer = directory[delivery.key]?.handle, newer !== handle, newer.takesMethods {
      subscribed(delivery.key, newer)
    }
  }

  /// Sets the timer to the earliest deadline, if it would come too late.
  private func setAlarm(_ state: inout State, now: Instant) {
    guard let next = state.broker.nextDeadline else { return }
    if let alarm = state.alarm, alarm <= next { return }
    state.alarm = next
    let left = next > now ? next.nanoseconds - now.nanoseconds : 0
    timer.schedule(
      deadline: .now() + .nanoseconds(Int(clamping: left)),
      leeway: .milliseconds(5)
    )
  }

  /// The client takes methods now, or more of them: sends what waited.
  package func subscribed(_ key: IdentityKey, _ handle: DeviceHandle) {
    let deliveries = state.withLock { $0.broker.subscribed(key) }
    for delivery in deliveries { send(delivery, on: handle) }
  }

  /// The client takes no methods any more: nobody expects an answer to what was sent.
  package func unsubscribed(_ key: IdentityKey, _ handle: DeviceHandle) {
    guard directory[key]?.handle === handle else { return }
    connectionLost(key)
  }

  /// The client answered.
  package func answered(requestID: [UInt8], status: Int?, body: [UInt8], by key: IdentityKey) {
    finish { state in
      state.broker.answered(requestID: requestID, by: key, status: status, body: body).map { [$0] }
        ?? []
    }
  }

  /// The connection that methods were sent on is gone.
  package func connectionLost(_ key: IdentityKey) { finish { $0.broker.connectionLost(key) } }

  /// The identity is gone or disabled.
  package func identityGone(_ key: IdentityKey) { finish { $0.broker.identityGone(key) } }

  /// Ends what is over, and waits for the next.
  private func expire(now: Instant) {
    finish { state in
      defer {
        state.alarm = nil
        setAlarm(&state, now: now)
      }
      return state.broker.timeout(now: now)
    }
  }

  private func finish(_ end: (inout State) -> [MethodResult]) {
    let ended = state.withLock { state in
      end(&state).map { (state.callers.removeValue(forKey: $0.call), $0.outcome) }
    }
    for (continuation, outcome) in ended { continuation?.resume(returning: outcome) }
  }
}
