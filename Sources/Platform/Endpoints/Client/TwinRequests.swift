import ByteIO
import Platform

/// Requests about a twin on one `ClientLink`, each of which waits for its answer.
///
/// Whoever reads the link's messages passes the answers on; `run` gives up those that do not come.
package actor TwinRequests {
  /// What the hub answered.
  package struct Answer: Sendable {
    /// As in HTTP.
    package let status: Int
    /// The twin, if it was asked for.
    package let payload: [UInt8]

    package init(status: Int, payload: [UInt8]) {
      (self.status, self.payload) = (status, payload)
    }
  }

  /// Why a request came to nothing.
  package enum Fault: Error, Equatable, CustomStringConvertible {
    /// No answer came in time, or the connection ended before it.
    case timedOut
    /// The hub's refusal.
    case refused(Int)
    /// The answer is not what was asked for.
    case unreadable

    package var description: String {
      switch self {
      case .timedOut: "no answer within \(TwinRequests.answerSeconds) seconds"
      case .refused(let status): "the hub answers \(status)"
      case .unreadable: "the hub's answer cannot be read"
      }
    }
  }

  /// A request whose answer is awaited.
  private struct Pending {
    var answer: Answer?
    var waiter: CheckedContinuation<Answer, any Error>?
    let deadline: Instant
  }

  fileprivate static let answerSeconds: UInt64 = 30

  private let link: ClientLink
  private var requests: UInt64 = 0
  private var pending: [String: Pending] = [:]
  private var isClosed = false

  /// Requests on `link`, which is subscribed to the answers.
  package init(_ link: ClientLink) { self.link = link }

  /// Asks the hub, and waits for its answer.
  ///
  /// - Parameters:
  ///   - payload: What is asked.
  ///   - topic: Makes the topic of a request ID.
  /// - Returns: What the hub answered, a refusal too.
  /// - Throws: `Fault`, or `ClientFault` where the request did not get out.
  package func ask(
    payload: [UInt8],
    _ topic: @Sendable (String) -> [UInt8]
  ) async throws -> Answer {
    guard !isClosed else { throw Fault.timedOut }
    requests += 1
    let requestID = String(requests)
    let deadline = SystemClock.now().adding(milliseconds: Self.answerSeconds * 1000)
    pending[requestID] = Pending(deadline: deadline)
    defer { pending[requestID] = nil }
    try await link.publish(topic: topic(requestID), payload: payload)
    if let answer = pending[requestID]?.answer { return answer }
    // Resumed by the answer, by `expire`, or by the end of the connection.
    return try await withCheckedThrowingContinuation { waiter in
      if pending[requestID] == nil {
        waiter.resume(throwing: Fault.timedOut)
      } else {
        pending[requestID]?.waiter = waiter
      }
    }
  }

  /// An answer has come; one that nobody waits for is dropped.
  package func answered(_ requestID: String, _ answer: Answer) {
    guard let request = pending[requestID] else { return }
    if let waiter = request.waiter {
      pending[requestID]?.waiter = nil
      waiter.resume(returning: answer)
    } else {
      pending[requestID]?.answer = answer
    }
  }

  /// Gives up what is not answered in time, until it is cancelled.
  package func run() async {
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(1))
      let now = SystemClock.now()
      for (requestID, request) in pending where request.deadline <= now {
        pending[requestID] = nil
        request.waiter?.resume(throwing: Fault.timedOut)
      }
    }
  }

  /// The connection is over: who waits for an answer does not wait for ever.
  package func close() {
    isClosed = true
    for request in pending.values { request.waiter?.resume(throwing: Fault.timedOut) }
    pending = [:]
  }
}
