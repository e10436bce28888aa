import ByteIO
import Endpoints
import HubContract
import HubEngine
import JSONTree
import Platform
import Synchronization

/// Direct methods between REST callers and connections, around `MethodBroker`.
final class MethodService: Sendable {
  /// What a device answered.
  struct Answer: Sendable {
    /// The device's own status, of its own choosing.
    let status: Int
    /// JSON, or nil for an empty body.
    let payload: JSONValue?
  }

  private struct State {
    var broker = MethodBroker()
    var callers: [UInt64: CheckedContinuation<MethodResult.Outcome, Never>] = [:]
    var lastCall: UInt64 = 0
  }

  private let state = Mutex(State())
  private let directory: DeviceDirectory
  private let payloadLimit: Int

  init(directory: DeviceDirectory, payloadLimit: Int) {
    self.directory = directory
    self.payloadLimit = payloadLimit
  }

  /// Invokes a method of a device or module that exists, and waits for the answer.
  ///
  /// - Throws: 404103 when the client is not there in time, 504101 when it does not answer in time,
  ///   429001 above a limit, 400006 when the answer is not what the contract allows.
  func invoke(
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
      return action
    }
    switch action {
    case .fail(let error): return continuation.resume(returning: .failed(error))
    case .send(let delivery): handle?.deliver(delivery)
    case .wait:
      // The client may have subscribed between the look at the directory and the broker's.
      if let handle = directory[key]?.handle, handle.takesMethods { subscribed(key, handle) }
      wake(after: request.connectTimeoutSeconds)
    }
    wake(after: request.responseTimeoutSeconds)
  }

  private func wake(after seconds: Int) {
    // Ends by itself: it sleeps once and looks at the clock.
    Task {
      try? await Pause.sleep(for: .seconds(seconds) + .milliseconds(5))
      expire(now: SystemClock.now())
    }
  }

  /// The client takes methods now: sends what waited.
  func subscribed(_ key: IdentityKey, _ handle: DeviceHandle) {
    let deliveries = state.withLock { $0.broker.subscribed(key) }
    for delivery in deliveries { handle.deliver(delivery) }
  }

  /// The client answered.
  func answered(requestID: [UInt8], status: Int?, body: [UInt8], by key: IdentityKey) {
    finish { state in
      state.broker.answered(requestID: requestID, by: key, status: status, body: body).map { [$0] }
        ?? []
    }
  }

  /// The connection that methods were sent on is gone.
  func connectionLost(_ key: IdentityKey) { finish { $0.broker.connectionLost(key) } }

  /// The identity is gone or disabled.
  func identityGone(_ key: IdentityKey) { finish { $0.broker.identityGone(key) } }

  /// Ends what is over.
  func expire(now: Instant) { finish { $0.broker.timeout(now: now) } }

  private func finish(_ end: (inout State) -> [MethodResult]) {
    let ended = state.withLock { state in
      end(&state).map { (state.callers.removeValue(forKey: $0.call), $0.outcome) }
    }
    for (continuation, outcome) in ended { continuation?.resume(returning: outcome) }
  }
}

extension DeviceHandle {
  fileprivate func deliver(_ delivery: MethodDelivery) {
    deliverMethod(
      name: delivery.name,
      requestID: String(decoding: delivery.requestID, as: UTF8.self),
      payload: delivery.payload
    )
  }
}
