import Containers
import Testing

@Suite("Faults of a module runtime")
struct RuntimeFaultTests {
  @Test("a fault reads as what a person is told")
  func description() {
    #expect("\(RuntimeFault(.notFound, "no image a"))" == "no image a")
  }
}
