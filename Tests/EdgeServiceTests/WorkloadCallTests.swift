import EdgeService
import Endpoints
import Testing

@Suite("Calls of the workload API")
struct WorkloadCallTests {
  private func fault(_ method: String, _ target: String) throws -> WorkloadCall.Fault? {
    let target = try RequestTarget(target)
    do throws(WorkloadCall.Fault) {
      _ = try WorkloadCall(method: method, target: target)
      return nil
    } catch {
      return error
    }
  }

  @Test("who signs is in the path")
  func sign() throws {
    let target = try RequestTarget("/modules/%24edgeHub/genid/g%2F1/sign?api-version=x")
    let call = try WorkloadCall(method: "POST", target: target)
    guard case .sign(let subject) = call else {
      Issue.record("\(call)")
      return
    }
    #expect(subject.moduleID == "$edgeHub" && subject.generationID == "g/1")
    #expect(call.moduleID == "$edgeHub")
  }

  @Test(
    "what is no call",
    arguments: [
      ("GET", "/"), ("GET", "/modules/m/genid/g/sign"), ("POST", "/trust-bundle"),
      ("POST", "/modules/m/genid/g/certificate%2Fserver"), ("POST", "/modules/m/genid/g/sign/x"),
      ("POST", "/modules/m/genid/g/certificate/identity"), ("POST", "/modules/m/genid/g"),
    ]
  )
  func unknown(_ method: String, _ target: String) throws {
    #expect(try fault(method, target) == .unknown)
  }

  @Test("an ID that no module can have", arguments: ["%20", "a%2Fb", "%00"])
  func badID(_ moduleID: String) throws {
    #expect(try fault("POST", "/modules/\(moduleID)/genid/g/sign") == .moduleID)
    #expect(try fault("POST", "/modules/\(moduleID)/certificate/identity") == .moduleID)
  }
}
