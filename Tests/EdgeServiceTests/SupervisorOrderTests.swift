import EdgeService
import JSONTree
import Testing

@Suite("Orders to the supervisor")
struct SupervisorOrderTests {
  @Test("an order is read as it was written")
  func roundTrip() {
    let orders: [SupervisorOrder] = [
      .status, .stop, .restart(EdgeRole.allCases), .restart([.hub]), .logLevel("debug"),
      .logLevel(nil), .hubVariables(nil), .hubVariables([:]),
      .hubVariables(["A": "b\n\"", "https_proxy": String(repeating: "x", count: 4_096)]),
    ]
    for order in orders { #expect(SupervisorOrder(JSON.bytes(order.json)) == order) }
  }

  @Test("anything else is none")
  func refused() {
    let lines = [
      "", "{}", "[]", "status", #"{"op":"Status"}"#, #"{"op":1}"#, #"{"op":"restart","role":"x"}"#,
      #"{"op":"restart","role":null}"#, #"{"op":"logLevel","level":"trace"}"#,
      #"{"op":"logLevel","level":7}"#,
      #"{"op":"hubVariables","variables":[]}"#, #"{"op":"hubVariables","variables":{"a":1}}"#,
      #"{"op":"hubVariables","variables":{"a":"\#(String(repeating: "x", count: 66_000))"}}"#,
      #"{"op":"status","more":"\#(String(repeating: "x", count: 600))"}"#,
    ]
    for line in lines { #expect(SupervisorOrder(Array(line.utf8)) == nil, "\(line)") }
  }

  @Test("an agent with a user of its own may order what a deployment asks for, and nothing else")
  func agent() {
    let allowed: [SupervisorOrder] = [
      .status, .hubVariables(nil), .hubVariables(["A": "b"]), .restart([.hub]), .restart([.agent]),
    ]
    for order in allowed { #expect(order.isForAgent) }
    let refused: [SupervisorOrder] = [
      .stop, .logLevel(nil), .logLevel("debug"), .restart([.keys]), .restart(EdgeRole.allCases),
      .restart([.agent, .hub]),
    ]
    for order in refused { #expect(!order.isForAgent) }
  }
}
