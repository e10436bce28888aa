import Endpoints
import HubContract
import HubEngine
import JSONTree
import Logging
import Platform
import Synchronization

/// Carries out jobs and configurations: takes them on step by step, and invokes what jobs ask for.
///
/// What is durable is in the store alone, so that a hub that starts again goes on where the last one
/// was. It looks when it is told that there is something (`wake`), when a job is due, and every five
/// minutes at all devices, because conditions may depend on connections and on time.
///
/// Not its business: what a step does (`HubEngine`), and that configurations follow a changed twin,
/// which `HubStore` sees to in the twin's own transaction.
final class FleetService: Sendable {
  /// Devices that one step of the walk looks at: the writer is busy for some 10 ms then.
  private static let sweepDevices = 100
  /// Seconds between two walks that nobody asked for (contract "Configurations").
  private static let sweepSeconds: Int64 = 300

  let metrics: ConfigurationMetricsCache
  private let store: HubStore
  private let directory: DeviceDirectory
  private let methods: MethodService
  private let logger: Logger
  /// Whether a step may have something to do.
  private let isAsked = Atomic<Bool>(true)
  private let isStopping = Atomic<Bool>(false)
  private let looks: AsyncStream<Void>
  private let look: AsyncStream<Void>.Continuation

  init(
    store: HubStore,
    directory: DeviceDirectory,
    methods: MethodService,
    logger: Logger
  ) {
    self.store = store
    self.directory = directory
    self.methods = methods
    self.logger = logger
    metrics = ConfigurationMetricsCache(store: store, directory: directory)
    (looks, look) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Says that a job or a configuration has changed.
  func wake() {
    isAsked.store(true, ordering: .releasing)
    look.yield()
  }

  /// Works until cancelled, once.
  func run() async {
    await withTaskGroup { group in
      group.addTask { [look] in
        while !Task.isCancelled {
          look.yield()
          try? await Pause.sleep(for: .seconds(1))
        }
      }
      var plans = Plans()
      for await _ in looks where !Task.isCancelled { await advance(&plans) }
      isStopping.store(true, ordering: .releasing)
      group.cancelAll()
    }
  }

  /// When there is something to do without being asked.
  private struct Plans {
    /// When a job is due, nil if none is.
    var job: Timestamp?
    /// When all devices are looked at again.
    var sweep: Timestamp?
  }

  private func advance(_ plans: inout Plans) async {
    let directory = directory
    let now = Timestamp(ticks: SystemClock.wallTicks())
    let isSweepDue = plans.sweep.map { $0 <= now } ?? true
    let isJobDue = plans.job.map { $0 <= now } ?? false
    guard isAsked.exchange(false, ordering: .acquiringAndReleasing) || isSweepDue || isJobDue else {
      return
    }
    do throws(HubError) {
      if isSweepDue {
        try await store.write { engine throws(HubError) in
          try engine.requestConfigurationSweep()
        }
        while try await store.write({ engine throws(HubError) in
          try engine.deleteOldJobs(now: now)
        }) {}
        plans.sweep = now.adding(seconds: Self.sweepSeconds)
      }
      var goesOn = true
      while goesOn, !Task.isCancelled {
        let now = Timestamp(ticks: SystemClock.wallTicks())
        // Two transactions, so that devices' own commands come in between.
        let isSweeping = try await store.write { engine throws(HubError) in
          try engine.sweepConfigurations(
            limit: Self.sweepDevices,
            facts: { directory.facts(of: $0) },
            now: now
          )
        }
        let step = try await store.write { engine throws(HubError) in
          try engine.advanceJobs(facts: { directory.facts(of: $0) }, now: now)
        }
        for invocation in step.invocations { invoke(invocation) }
        plans.job = step.nextTime
        goesOn = isSweeping || step.hasMore
      }
    } catch {
      logger.error("jobs and configurations not advanced", metadata: ["error": "\(error)"])
      // Tried again with the next second.
      isAsked.store(true, ordering: .releasing)
    }
  }

  private func invoke(_ invocation: JobInvocation) {
    let key = IdentityKey(deviceID: invocation.part.deviceID)
    // Nobody awaits it: it ends with the method's time-outs at the latest. A failure that comes of
    // the hub's own stop is dropped, and the next start invokes the method again.
    Task {
      let outcome: JobInvocationOutcome
      do throws(HubError) {
        let answer = try await methods.invoke(key, invocation.method)
        outcome = .answered(
          DirectMethodResponse(status: answer.status, payload: answer.payload ?? .null)
        )
      } catch {
        if isStopping.load(ordering: .acquiring) { return }
        outcome = .failed(error)
      }
      let now = Timestamp(ticks: SystemClock.wallTicks())
      store.submitOwed { engine throws(HubError) in
        try engine.finishInvocation(invocation.part, outcome, now: now)
      }
      wake()
    }
  }
}
