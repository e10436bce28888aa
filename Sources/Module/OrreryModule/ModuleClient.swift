import EdgeEngine
import Endpoints
import Glibc
import HubContract
@_exported public import JSONTree
public import Logging
import Platform
import UnixSignals

/// A program's side of an edge: it is a module, with inputs, outputs, a twin and direct methods.
///
///     await ModuleClient.main { client in
///       for await message in client.messages {
///         try await client.send(message.body, to: "output")
///       }
///     }
///
/// While `run` runs, it keeps one connection to the local hub, and makes another where that ends: it
/// waits for half a second at first and for half a minute at most, at random moments. Tokens are
/// signed by the edge and renewed in time. Whoever sends, reads or reports meanwhile waits for the next
/// connection; a message that was not acknowledged is sent again, so that it may arrive twice. What
/// waits ends when its task is cancelled.
public actor ModuleClient {
  /// Which kinds of messages are subscribed to.
  struct Topics: OptionSet, Sendable {
    let rawValue: UInt8

    static let inputs = Topics(rawValue: 1)
    static let desired = Topics(rawValue: 2)
    static let methods = Topics(rawValue: 4)
  }

  /// A connection that stands.
  struct Connection {
    let number: UInt64
    let link: ClientLink
    let requests: TwinRequests
    var granted: Topics = []
    /// Whether it takes nothing new, since another is about to replace it.
    var isDraining = false
  }

  enum Phase { case idle, running, ended }

  /// Bytes of a message at most, its properties counted: the hub closes the connection of who sends
  /// more.
  public static let messageLimit = 262_144

  /// Direct methods that may be under way; more are answered with 429.
  static let methodLimit = 64

  /// Where the client writes what an operator wants to know, never a key or a token.
  public nonisolated let logger: Logger
  nonisolated let environment: ModuleEnvironment
  nonisolated let topics: ModuleTopics

  var phase = Phase.idle
  var connection: Connection?
  /// Numbers the connections, so that what belongs to an earlier one is known as late.
  var lastConnection: UInt64 = 0
  var wanted: Topics = []
  var handler: (@Sendable (MethodCall) async -> MethodAnswer)?
  let calls: AsyncStream<IncomingCall>
  let incoming: AsyncStream<IncomingCall>.Continuation
  var callsUnderWay = 0
  var sendsUnderWay = 0
  var inbox: [InputDelivery] = []
  var source = AgentTwinSource()
  /// Counts the changes of the desired properties.
  var desiredChanges: UInt64 = 0
  private var lastWaiter: UInt64 = 0
  private var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]

  init(_ environment: ModuleEnvironment, logger: Logger?) {
    self.environment = environment
    self.logger =
      logger
      ?? Logger(label: "module") { LineLogHandler(label: $0, level: .info, format: .text) }
    topics = ModuleTopics(environment.identity)
    (calls, incoming) = AsyncStream.makeStream(
      of: IncomingCall.self,
      bufferingPolicy: .bufferingOldest(Self.methodLimit)
    )
  }

  /// The client of the module that this process is.
  ///
  /// It reads the variables that an edge gives its modules (`IOTEDGE_WORKLOADURI` and its like), else
  /// those of a module that is started by hand: `EdgeHubConnectionString`, and
  /// `EdgeModuleCACertificateFile` for whom it trusts.
  ///
  /// - Parameter logger: For connections and what goes wrong; lines on standard error without one.
  /// - Returns: A client that does nothing before `run`.
  /// - Throws: a `ModuleFault` of the code `environment`.
  public static func fromEnvironment(logger: Logger? = nil) throws -> ModuleClient {
    var variables: [String: String] = [:]
    for name in ModuleEnvironment.names {
      variables[name] = getenv(name).map { String(cString: $0) }
    }
    return ModuleClient(try ModuleEnvironment(variables), logger: logger)
  }

  /// Is the module that this process is, for as long as `body` runs or until the process is asked to
  /// stop; then ends the process, with status 1 where something was thrown.
  public static func main(
    _ body: @escaping @Sendable (ModuleClient) async throws -> Void
  ) async -> Never {
    do {
      let client = try fromEnvironment()
      do {
        try await client.run(body)
      } catch {
        client.logger.error("the module ends", metadata: ["error": "\(error)"])
        exit(1)
      }
    } catch {
      Logger(label: "module") { LineLogHandler(label: $0, level: .info, format: .text) }
        .error("\(error)")
      exit(1)
    }
    exit(0)
  }

  /// The device that the module is of.
  public nonisolated var deviceID: String { environment.identity.deviceID }

  /// The module's name.
  public nonisolated var moduleID: String { environment.identity.moduleID ?? "" }

  /// Writes a line to the log, on standard error.
  public nonisolated func log(_ line: String) { logger.info("\(line)") }

  // MARK: Life

  /// Keeps connected while `body` runs, and leaves in good order when it returns.
  ///
  /// SIGTERM and SIGINT cancel `body` and let this return; a second one ends the process at once. In
  /// both cases, and if the task of this call is cancelled, what is under way ends first.
  ///
  /// - Parameters:
  ///   - trapsSignals: Whether SIGTERM and SIGINT are looked for. A program that handles signals itself
  ///     gives false, and cancels the task of this call when the module is to end; the process's
  ///     signals are then left as they are.
  ///   - body: What the module does.
  /// - Throws: What `body` throws, unless it was cancelled; `stopped` if it has run before.
  public func run(
    trapsSignals: Bool = true,
    _ body: @escaping @Sendable (ModuleClient) async throws -> Void
  ) async throws {
    guard phase == .idle else { throw ModuleFault(.stopped, "a client runs only once") }
    phase = .running
    let signals = trapsSignals ? await UnixSignalsSequence(trapping: .sigterm, .sigint) : nil
    defer {
      phase = .ended
      changed()
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await self.stayConnected() }
      group.addTask { await self.answerMethods() }
      if let signals {
        group.addTask {
          for await _ in signals {
            signal(SIGTERM, SIG_DFL)
            signal(SIGINT, SIG_DFL)
            return
          }
        }
      }
      group.addTask { try await body(self) }
      let first = await group.nextResult()
      group.cancelAll()
      // What is cancelled may say so.
      while await group.nextResult() != nil {}
      do {
        try first?.get()
      } catch is CancellationError where Task.isCancelled {
        // As it was told to.
      }
    }
  }

  // MARK: Waiting

  /// Returns when something has changed, or the task is cancelled.
  func change() async {
    lastWaiter += 1
    let number = lastWaiter
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        if Task.isCancelled { waiter.resume() } else { waiters[number] = waiter }
      }
    } onCancel: {
      // Ends at once: it only hands the news over to the actor.
      Task { await self.wake(number) }
    }
  }

  private func wake(_ number: UInt64) { waiters.removeValue(forKey: number)?.resume() }

  /// Tells everybody who waits to look again.
  func changed() {
    let waiting = waiters.values
    waiters = [:]
    for waiter in waiting { waiter.resume() }
  }

  /// The connection, or the next one that is not number `failed`.
  func standing(after failed: UInt64? = nil) async throws -> Connection {
    while true {
      try Task.checkCancellation()
      guard phase != .ended else { throw ModuleFault(.stopped, "the client has stopped") }
      if let connection, connection.number != failed, !connection.isDraining { return connection }
      await change()
    }
  }
}
