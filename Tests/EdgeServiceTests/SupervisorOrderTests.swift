import EdgeService
import JSONTree
import Testing

@Suite("Orders to the supervisor")
struct SupervisorOrderTests {
  @Test("an order is read as it was written")
  func roundTrip() {
    let orders: [SupervisorOrder] = [
      .status, .stop, .restart(EdgeRole.allCases), .restart([.hub]), .logLevel("debug"),
      .logLevel(nil),
    ]
    for order in orders { #expect(SupervisorOrder(JSON.bytes(order.json)) == order) }
  }

  @Test("anything else is none")
  func refused() {
    let lines = [
      "", "{}", "[]", "status", #"{"op":"Status"}"#, #"{"op":1}"#, #"{"op":"restart","role":"x"}"#,
      #"{"op":"restart","role":null}"#, #"{"op":"logLevel","level":"trace"}"#,
      #"{"op":"logLevel","level":7}"#,
      #"{"op":"status","more":"\#(String(repeating: "x", count: 600))"}"#,
    ]
    for line in lines { #expect(SupervisorOrder(Array(line.utf8)) == nil, "\(line)") }
  }
}
