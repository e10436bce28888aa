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
/// - **condemned**: the first `count` can't be delivered and have to be written to the dead letters. Only
///   when that is durable does the position pass them.
///
/// An endpoint that is down stays so from one message to the next: until something gets through, what
/// is found too old becomes a dead letter without a request of its own. Else each would cost the time that
/// a request may take, and an endpoint that hangs would fall behind until retention removes what it
/// never saw.
///
/// Not its business: the health of the endpoint (`EndpointHealth`), which all partitions share.
public struct EndpointDelivery: Sendable {
  /// Why a request did not deliver.
  public enum Failure: Equatable, Sendable {
    /// The endpoint can't be reached, is too slow, or says that it is busy: it may work later, and
    /// not before so many milliseconds if it says so.
    case unavailable(retryAfterMilliseconds: UInt64?)
    /// The endpoint refuses this very request: sending it again would change nothing.
    case rejected

    /// It may work later.
    public static let unavailable = Failure.unavailable(retryAfterMilliseconds: nil)
  }

  /// Why a message became a dead letter.
  public enum DeadLetterReason: String, Sendable, CaseIterable {
    /// The endpoint refuses it.
    case rejected
    /// It was older than the endpoint's time to live, and the endpoint did not take it.
    case expired
  }

  /// What to do next with the messages that were found.
  public enum NextAction: Equatable, Sendable {
    /// Nothing: there is none, or something is under way already.
    case none
    /// Send the first so many of them in one request.
    case send(count: Int)
    /// Do nothing until this time.
    case wait(until: Instant)
    /// Write the first so many to the dead letters, and say when that is durable.
    case deadLetter(count: Int, DeadLetterReason)
  }

  /// What to do after a request succeeded or dead letters were written.
  public enum DoneAction: Equatable, Sendable {
    /// Nothing: no request was under way.
    case none
    /// Everything before this number is dealt with: make it durable, and read on from there.
    case checkpoint(UInt64)
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

  /// The longest that an endpoint can ask to be left alone.
  public static let maximumRetryAfterMilliseconds: UInt64 = 3_600_000

  private enum State {
    case idle
    case sending(count: Int)
    case waiting(until: Instant, count: Int)
    case condemned(count: Int)
  }

  /// The number of the next message that was not dealt with.
  public private(set) var position: UInt64
  private var state = State.idle
  private var messages: [Message] = []
  /// Where the position goes once all of `messages` are dealt with: behind those for others too.
  private var end: UInt64
  private var attempts = 0
  /// When to try again an endpoint that is down; nil if the last request was answered.
  private var downUntil: Instant?
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
  ///
  /// `wallTime` is in milliseconds since 1970, which the messages' age is told by.
  public mutating func found(
    _ messages: [Message],
    end: UInt64,
    now: Instant,
    wallTime: UInt64
  ) -> NextAction {
    guard case .idle = state, end >= position else { return .none }
    guard !messages.isEmpty else {
      // Others' messages only; the next checkpoint covers them.
      position = end
      return .none
    }
    self.messages = messages
    self.end = end
    guard let downUntil else { return send(messages.count) }
    return expire(wallTime)
      ?? (downUntil > now ? wait(downUntil, messages.count) : send(messages.count))
  }

  /// The request that was under way delivered.
  public mutating func succeeded() -> DoneAction {
    switch state {
    case .sending(let count):
      attempts = 0
      downUntil = nil
      return pass(count)
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
  ) -> NextAction {
    guard case .sending(let count) = state else { return .none }
    switch failure {
    case .rejected:
      attempts = 0
      downUntil = nil
      // Of several, one is to blame; the halves find it.
      return count > 1 ? send(count / 2) : condemn(1, .rejected)
    case .unavailable(let asked):
      attempts += 1
      let delay = max(
        retry.delayMilliseconds(attempt: attempts, random: random),
        min(asked ?? 0, Self.maximumRetryAfterMilliseconds)
      )
      let until = now.adding(milliseconds: delay)
      downUntil = until
      return expire(wallTime) ?? wait(until, count)
    }
  }

  /// Time has passed.
  public mutating func timeout(now: Instant) -> NextAction {
    guard case .waiting(let until, let count) = state, until <= now else { return .none }
    return send(count)
  }

  /// The dead letters are durable.
  public mutating func deadLettered() -> DoneAction {
    switch state {
    case .condemned(let count): return pass(count)
    case .idle, .sending, .waiting: return .none
    }
  }

  /// The dead letters could not be written: the messages wait, they are not given up.
  public mutating func deadLetterFailed(now: Instant, random: UInt64) -> NextAction {
    guard case .condemned(let count) = state else { return .none }
    attempts += 1
    let delay = retry.delayMilliseconds(attempt: attempts, random: random)
    return wait(now.adding(milliseconds: delay), count)
  }

  private mutating func send(_ count: Int) -> NextAction {
    state = .sending(count: count)
    return .send(count: count)
  }

  private mutating func wait(_ until: Instant, _ count: Int) -> NextAction {
    state = .waiting(until: until, count: count)
    return .wait(until: until)
  }

  private mutating func condemn(_ count: Int, _ reason: DeadLetterReason) -> NextAction {
    state = .condemned(count: count)
    return .deadLetter(count: count, reason)
  }

  /// Condemns the messages at the beginning that are too old; nil if there is none.
  private mutating func expire(_ wallTime: UInt64) -> NextAction? {
    let old = messages.prefix {
      let (age, isYounger) = wallTime.subtractingReportingOverflow($0.enqueuedTime)
      return !isYounger && age >= timeToLiveMilliseconds
    }
    return old.isEmpty ? nil : condemn(old.count, .expired)
  }

  private mutating func pass(_ count: Int) -> DoneAction {
    let rest = messages.dropFirst(count)
    // Up to the next message, so that those of others in between are not read again.
    position = rest.first?.sequence ?? end
    messages = []
    end = position
    state = .idle
    return .checkpoint(position)
  }
}
