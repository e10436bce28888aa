public import ByteIO

/// One partition on its way from the log into the files of a storage endpoint.
///
/// The driver reads the log, writes each message that it is told to into an unfinished file, and when
/// it is told to finish, makes the file durable under its name. Only then does the position pass the
/// batch. A crash or a failed write loses the unfinished file alone: the messages are read from the log
/// again. A batch that is written twice has the same name, since that follows from its first message.
///
/// - **collecting**: messages go into the unfinished file; `deadline` says when it is due.
/// - **finishing**: the file is being made durable.
/// - **waiting**: writing failed; the unfinished file is gone, `deadline` says when to read again.
///
/// Time comes as milliseconds of a monotonic clock, so that a clock that is set moves no deadline.
public struct StorageBatch: Sendable {
  /// What to do with a message.
  public enum FoundAction: Equatable, Sendable {
    /// Write it into the unfinished file; `isFirst` begins one.
    case write(isFirst: Bool)
    /// Finish the file first, then offer this message again.
    case finish
    /// Don't read on: something is under way.
    case none
  }

  /// What to do after time has passed.
  public enum TimeAction: Equatable, Sendable {
    /// Nothing is due.
    case none
    /// Finish the file.
    case finish
    /// Read the log again, from this number.
    case read(from: UInt64)
  }

  private enum State {
    case collecting
    case finishing
    case waiting(until: Instant)
  }

  /// The number of the first message that is not durable at the endpoint.
  public private(set) var position: UInt64
  /// The number of the next message to read.
  public private(set) var next: UInt64
  /// Messages in the unfinished file.
  public private(set) var count = 0
  /// Bytes in the unfinished file.
  public private(set) var byteCount = 0
  private var state = State.collecting
  private var due: Instant?
  private var failures = 0
  private let retry: RetryPolicy
  private let maximumBytes: Int
  private let maximumMilliseconds: UInt64

  /// Begins at `position`, the last durable checkpoint.
  public init(
    position: UInt64,
    maximumBytes: Int,
    maximumSeconds: Int,
    retry: RetryPolicy = RetryPolicy()
  ) {
    self.position = position
    next = position
    self.retry = retry
    self.maximumBytes = maximumBytes
    maximumMilliseconds = UInt64(clamping: maximumSeconds) &* 1000
  }

  /// When `timeout` is due; nil while nothing waits for time.
  public var deadline: Instant? {
    switch state {
    case .collecting: due
    case .finishing: nil
    case .waiting(let until): until
    }
  }

  /// Whether the driver may read on, from `next`.
  public var isReading: Bool { if case .collecting = state { true } else { false } }

  /// A message for this endpoint was read, which takes `byteCount` bytes in the file.
  ///
  /// A message that is larger than a file may be gets one of its own.
  public mutating func found(_ sequence: UInt64, byteCount: Int, now: Instant) -> FoundAction {
    guard case .collecting = state, sequence >= next else { return .none }
    if count > 0, byteCount > maximumBytes - self.byteCount {
      state = .finishing
      return .finish
    }
    if count == 0 {
      // Messages of others before the first are dealt with.
      position = sequence
      due = now.adding(milliseconds: maximumMilliseconds)
    }
    count += 1
    self.byteCount += byteCount
    next = sequence &+ 1
    return .write(isFirst: count == 1)
  }

  /// Everything before `sequence` was read, and nothing more of it was for this endpoint.
  public mutating func skipped(to sequence: UInt64) {
    guard case .collecting = state, sequence > next else { return }
    next = sequence
    if count == 0 { position = sequence }
  }

  /// Time has passed.
  public mutating func timeout(now: Instant) -> TimeAction {
    switch state {
    case .collecting:
      guard let due, due <= now, count > 0 else { return .none }
      state = .finishing
      return .finish
    case .finishing: return .none
    case .waiting(let until):
      guard until <= now else { return .none }
      state = .collecting
      return .read(from: next)
    }
  }

  /// The hub stops: what is collected is finished early.
  public mutating func drain() -> TimeAction {
    guard case .collecting = state, count > 0 else { return .none }
    state = .finishing
    return .finish
  }

  /// The file is durable under its name.
  ///
  /// - Returns: the checkpoint to make durable; nil if no file was being finished.
  public mutating func finished() -> UInt64? {
    guard case .finishing = state else { return nil }
    position = next
    failures = 0
    forget()
    return position
  }

  /// Writing or finishing failed: the unfinished file is to be removed, and the messages are read
  /// again later.
  ///
  /// - Returns: when.
  public mutating func failed(now: Instant, random: UInt64) -> Instant {
    failures += 1
    let delay = retry.delayMilliseconds(attempt: failures, random: random)
    let until = now.adding(milliseconds: delay)
    next = position
    forget()
    state = .waiting(until: until)
    return until
  }

  private mutating func forget() {
    count = 0
    byteCount = 0
    due = nil
    state = .collecting
  }
}
