import ByteIO
import HubContract
import HubEngine
import JSONTree
import Testing

@Suite("Injected faults: when they strike")
struct FaultPlanTests {
  private static func fault(_ name: String, _ text: String) throws -> InjectedFault {
    try InjectedFault(name: name, json: try JSON.parse(text))
  }

  private static func time(_ seconds: UInt64) -> Instant {
    Instant(nanoseconds: seconds * 1_000_000_000)
  }

  @Test("A fault strikes what it is for, and nothing else")
  func target() throws {
    var plan = FaultPlan()
    try plan.arm(try Self.fault("a", #"{"fault":"dropMethods","deviceId":"d"}"#), now: Self.time(0))
    try plan.arm(
      try Self.fault("b", #"{"fault":"failRequests","status":503,"path":"/twins"}"#),
      now: Self.time(0)
    )
    func strike(
      _ kind: InjectedFault.Kind,
      _ deviceID: String? = nil,
      _ path: String? = nil
    ) -> String? {
      plan.strike(kind, deviceID: deviceID, path: path, now: Self.time(1), chance: 0)?.name
    }
    #expect(strike(.dropMethods, "d") == "a")
    #expect(strike(.dropMethods, "e") == nil)
    #expect(strike(.dropMethods) == nil)
    #expect(strike(.refuseConnections, "d") == nil)
    #expect(strike(.failRequests, nil, "/twins/d") == "b")
    #expect(strike(.failRequests, nil, "/devices/d") == nil)
    let hits = plan.armed(now: Self.time(1)).map(\.hits)
    #expect(hits == [1, 1])
  }

  @Test("It strikes as often as it was told, as likely, and until its end")
  func measure() throws {
    var plan = FaultPlan()
    try plan.arm(try Self.fault("a", #"{"fault":"loseTelemetry","times":2}"#), now: Self.time(0))
    let strikes = (0..<4).map { _ in
      plan.strike(.loseTelemetry, now: Self.time(1), chance: 0) != nil
    }
    #expect(strikes == [true, true, false, false])

    try plan.arm(
      try Self.fault("a", #"{"fault":"loseTelemetry","probability":0.25,"lifetimeSeconds":10}"#),
      now: Self.time(1)
    )
    let hits = plan.armed(now: Self.time(1)).map(\.hits)
    #expect(hits == [0])
    for (chance, strikes) in [(0.0, true), (0.2, true), (0.25, false), (0.9, false)] {
      let found = plan.strike(.loseTelemetry, now: Self.time(2), chance: chance)
      #expect((found != nil) == strikes, "\(chance)")
    }
    let last = plan.strike(.loseTelemetry, now: Self.time(10), chance: 0)
    let late = plan.strike(.loseTelemetry, now: Self.time(11), chance: 0)
    #expect(last != nil && late == nil)
    #expect(plan.isEmpty)
  }

  @Test("A disconnection is due at once, and again if it says so")
  func disconnection() throws {
    var plan = FaultPlan()
    try plan.arm(try Self.fault("once", #"{"fault":"disconnect"}"#), now: Self.time(5))
    try plan.arm(
      try Self.fault("often", #"{"fault":"disconnect","everySeconds":10,"times":2}"#),
      now: Self.time(5)
    )
    func due(_ seconds: UInt64) -> [String] {
      plan.due(now: Self.time(seconds)) { 0 }.map(\.name)
    }
    #expect(due(5) == ["once", "often"])
    #expect(due(6) == [])
    #expect(due(15) == ["often"])
    #expect(due(25) == [])
  }

  @Test("Shifts of the clock add up, and end")
  func clock() throws {
    var plan = FaultPlan()
    try plan.arm(
      try Self.fault("a", #"{"fault":"shiftClock","shiftSeconds":3600}"#),
      now: Self.time(0)
    )
    try plan.arm(
      try Self.fault("b", #"{"fault":"shiftClock","shiftSeconds":-60,"lifetimeSeconds":5}"#),
      now: Self.time(0)
    )
    let shifts = [1, 5].map { plan.clockShift(now: Self.time($0)) }
    #expect(shifts == [3540, 3600])
    let isFirst = plan.disarm("a")
    let isSecond = plan.disarm("a")
    #expect(isFirst && !isSecond)
    let none = plan.clockShift(now: Self.time(5))
    #expect(none == 0)
  }

  @Test("There is a limit, and a fault of the same name is replaced all the same")
  func limit() throws {
    var plan = FaultPlan()
    for number in 0..<FaultPlan.limit {
      try plan.arm(
        try Self.fault("f\(number)", #"{"fault":"slowLog","delayMilliseconds":1}"#),
        now: Self.time(0)
      )
    }
    let one = try Self.fault("f0", #"{"fault":"loseTelemetry"}"#)
    try plan.arm(one, now: Self.time(0))
    let first = plan.armed(now: Self.time(0)).first
    #expect(first?.fault == one)
    let more = try Self.fault("more", #"{"fault":"loseTelemetry"}"#)
    #expect(throws: HubError.self) { try plan.arm(more, now: Self.time(0)) }
    plan.disarmAll()
    #expect(plan.isEmpty)
  }
}
