import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("When modules are started again (edge contract 3.5)")
struct RestartRuleTests {
  typealias Policy = ModuleConfiguration.RestartPolicy
  private static let now = Timestamp(seconds: 100_000)
  private static let agentStart = Timestamp(seconds: 50_000)

  private func decide(
    _ policy: Policy,
    _ state: ModuleObservation.State,
    exitedAgo: Int64? = 1000,
    startedAgo: Int64? = 2000,
    count: UInt32 = 0,
    rule: RestartRule = RestartRule()
  ) throws -> RestartRule.Decision {
    var configuration = try #require(
      try AgentConfiguration(desired: AgentConfigurationTests.sample).modules.first
    )
    configuration.restartPolicy = policy
    let module = ModuleObservation(
      name: configuration.name,
      state: state,
      lastStart: startedAgo.map { Self.now.adding(seconds: -$0) },
      lastExit: exitedAgo.map { Self.now.adding(seconds: -$0) },
      image: configuration.image
    )
    return rule.decide(
      module,
      ModuleRecord(configuration, restartCount: count),
      agentStart: Self.agentStart,
      now: Self.now
    )
  }

  @Test("every policy in every state")
  func table() throws {
    typealias Row = (Policy, [RestartRule.Decision])
    let states: [ModuleObservation.State] = [
      .created, .running, .unhealthy, .exited(0), .exited(1), .dead, .unknown,
    ]
    let rows: [Row] = [
      (.never, [.start, .leave, .leave, .leave, .leave, .leave, .leave]),
      (.onFailure, [.start, .leave, .restart, .leave, .restart, .leave, .leave]),
      (.onUnhealthy, [.start, .leave, .restart, .leave, .restart, .leave, .leave]),
      (.always, [.start, .leave, .restart, .restart, .restart, .leave, .leave]),
    ]
    for (policy, expected) in rows {
      for (state, decision) in zip(states, expected) {
        #expect(try decide(policy, state) == decision, "\(policy), \(state)")
      }
    }
  }

  @Test("what was stopped before the agent began is started, unless its policy is never")
  func afterBoot() throws {
    for policy in Policy.allCases {
      let expected: RestartRule.Decision = policy == .never ? .leave : .start
      #expect(try decide(policy, .exited(0), exitedAgo: 60_000) == expected, "\(policy)")
    }
  }

  @Test("waits double from 10 s after the end, up to 300 s, without end (DIFF 9)")
  func backoff() throws {
    for (count, wait) in [(0, 10), (1, 20), (2, 40), (3, 80), (4, 160), (5, 300), (99, 300)] {
      let number = UInt32(count)
      let early = try decide(.always, .exited(1), exitedAgo: Int64(wait - 1), count: number)
      #expect(early == .wait(until: Self.now.adding(seconds: 1)), "\(count)")
      #expect(try decide(.always, .exited(1), exitedAgo: Int64(wait), count: number) == .restart)
    }
    #expect(try decide(.always, .exited(1), exitedAgo: 300, count: .max) == .restart)
    // The clock went back.
    #expect(try decide(.always, .exited(1), exitedAgo: -5000, count: 9) == .restart)
    #expect(try decide(.always, .exited(1), exitedAgo: nil, count: 9) == .restart)
    // An unhealthy module gets time from its start on.
    let sick = try decide(.always, .unhealthy, exitedAgo: 9999, startedAgo: 39, count: 2)
    #expect(sick == .wait(until: Self.now.adding(seconds: 1)))
    var rule = RestartRule()
    rule.maxRestartCount = 20
    rule.coolOffSeconds = 0
    #expect(try decide(.always, .exited(1), exitedAgo: 0, count: 19, rule: rule) == .restart)
    #expect(try decide(.always, .exited(1), count: 20, rule: rule) == .exhausted)
  }
}
