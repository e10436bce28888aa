public import ByteIO

/// One partition on its way from the log to one endpoint that takes messages by request.
///
/// Sequence numbers are all it knows of messages. The driver reads the log from `position`, says what
/// it found, sends what it is told to, and makes each checkpoint durable. What it holds may be lost at
/// any moment: a new machine that begins at the last durable checkpoint sends everything behind it
/// again, so each message arrives at least once, in order.
///
/// - **idle**: nothing is under way.
/// - **sending**: a request is under way for the first `count` messages that were found.
/// - **waiting**: it failed; `deadline` says when to send again.
/// - **condemned**: a message can't be delivered and has to be written to the dead letters. Only when
///   that is durable does the position pass it.
///
/// Not its business: the health of the endpoint (`EndpointHealth`), which all partitions share.
public struct EndpointDelivery: Sendable {
  /// Why a request did not deliver.
  public enum Failure: Equatable, Sendable {
    /// The endpoint can't be reached, is too slow, or says that it is busy: it may work later.
    case unavailable
    /// The endpoint refuses this very request: sending it again would change nothing.
    case rejected
  }

  /// Why a message became a dead letter.
  public enum DeadLetterReason: String, Sendable {
    /// The endpoint refuses it.
    case rejected
    /// It was older than the endpoint's time to live when sending it failed once more.
    case expired
  }

  /// What to do after messages were found.
  public enum FoundAction: Equatable, Sendable {
    /// Nothing: something is under way already.
    case none
    /// Send the first so many of them in one request.
    case send(count: Int)
  }

  /// What to do after a request succeeded or a dead letter was written.
  public enum DoneAction: Equatable, Sendable {
    /// Nothing: no request was under way.
    case none
    /// Everything before this number is dealt with: make it durable, and read on from there.
    case checkpoint(UInt64)
  }

  /// What to do after a request failed.
  public enum FailedAction: Equatable, Sendable {
    /// Nothing: no request was under way.
    case none
    /// Send again, the first so many.
    case send(count: Int)
    /// Send again at this time.
    case wait(until: Instant)
    /// Write the first message to the dead letters, and say when that is durable.
    case deadLetter(sequence: UInt64, DeadLetterReason)
  }

  /// A message that was found for the endpoint.
  public struct Message: Equatable, Sendable {
    /// Its number in the partition.
    public var sequence: UInt64
    /// When it was enqueued, in milliseconds since 1970.
    public var enqueuedTime: UInt64

    /// Names a message.
    public init(sequence: UInt64, enqueuedTime: UInt64) {
      self.sequence = sequence
      self.enqueuedTime = enqueuedTime
    }
  }

  private enum State {
    case idle
    case sending(count: Int)
    case waiting(until: Instant, count: Int)
    case condemned
  }

  /// The number of the next message that was not dealt with.
  public private(set) var position: UInt64
  private var state = State.idle
  private var messages: [Message] = []
  /// Where the position goes once all of `messages` are dealt with: behind those for others too.
  private var end: UInt64
  private var attempts = 0
  private let retry: RetryPolicy
  private let timeToLiveMilliseconds: UInt64

  /// Begins at `position`, the last durable checkpoint.
  public init(position: UInt64, timeToLiveSeconds: Int, retry: RetryPolicy = RetryPolicy()) {
    self.position = position
    end = position
    self.retry = retry
    timeToLiveMilliseconds = UInt64(clamping: timeToLiveSeconds) &* 1000
  }

  /// Whether the driver may read on, from `position`.
  public var isIdle: Bool { if case .idle = state { true } else { false } }

  /// When `timeout` is due.
  public var deadline: Instant? { if case .waiting(let until, _) = state { until } else { nil } }

  /// Takes what was read from `position` up to, not including, `end`: the messages among it that are
  /// for this endpoint.
  public mutating func found(_ messages: [Message], end: UInt64) -> FoundAction {
    guard case .idle = state, end >= position else { return .none }
    guard !messages.isEmpty else {
      // Others' messages only; the next checkpoint covers them.
      position = end
      return .none
    }
    self.messages = messages
    self.end = end
    attempts = 0
    state = .sending(count: messages.count)
    return .send(count: messages.count)
  }

  /// The request that was under way delivered.
  public mutating func succeeded() -> DoneAction {
    switch state {
    case .sending(let count): return pass(count)
    case .idle, .waiting, .condemned: return .none
    }
  }

  /// The request that was under way did not deliver.
  ///
  /// - Parameters:
  ///   - failure: what kind of failure it was.
  ///   - now: the time, which waits are counted from.
  ///   - wallTime: milliseconds since 1970, which the messages' age is told by.
  ///   - random: any bits.
  /// - Returns: what to do about it.
  public mutating func failed(
    _ failure: Failure,
    now: Instant,
    wallTime: UInt64,
    random: UInt64
  ) -> FailedAction {
    guard case .sending(let count) = state, let first = messages.first else { return .none }
    switch failure {
    case .rejected where count > 1:
      // One of them is to blame; the halves find it.
      state = .sending(count: count / 2)
      return .send(count: count / 2)
    case .rejected:
      state = .condemned
      return .deadLetter(sequence: first.sequence, .rejected)
    case .unavailable:
      attempts += 1
      let (age, isYounger) = wallTime.subtractingReportingOverflow(first.enqueuedTime)
      if !isYounger, age >= timeToLiveMilliseconds {
        state = .condemned
        return .deadLetter(sequence: first.sequence, .expired)
      }
      let delay = retry.delayMilliseconds(attempt: attempts, random: random)
      let until = now.adding(milliseconds: delay)
      state = .waiting(until: until, count: count)
      return .wait(until: until)
    }
  }

  /// Time has passed.
  public mutating func timeout(now: Instant) -> FoundAction {
    guard case .waiting(let until, let count) = state, until <= now else { return .none }
    state = .sending(count: count)
    return .send(count: count)
  }

  /// The dead letter is durable.
  public mutating func deadLettered() -> DoneAction {
    switch state {
    case .condemned: return pass(1)
    case .idle, .sending, .waiting: return .none
    }
  }

  /// The dead letter could not be written: the message waits, it is not given up.
  public mutating func deadLetterFailed(now: Instant, random: UInt64) -> FailedAction {
    guard case .condemned = state else { return .none }
    attempts += 1
    let delay = retry.delayMilliseconds(attempt: attempts, random: random)
    let until = now.adding(milliseconds: delay)
    state = .waiting(until: until, count: 1)
    return .wait(until: until)
  }

  private mutating func pass(_ count: Int) -> DoneAction {
    let rest = messages.dropFirst(count)
    // Up to the next message, so that those of others in between are not read again.
    position = rest.first?.sequence ?? end
    messages = []
    end = position
    attempts = 0
    state = .idle
    return .checkpoint(position)
  }
}
