import EdgeService
import Endpoints
import JSONTree
import Platform

/// Any bytes as a request to the workload API: a line with method and target, and a body.
@c(LLVMFuzzerTestOneInput)
public func fuzzWorkload(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
  let words = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ", maxSplits: 1)
  guard words.count == 2, let target = try? RequestTarget(String(words[1])) else { return 0 }
  if let call = try? WorkloadCall(method: String(words[0]), target: target) { check(call, target) }
  checkBody(Array(bytes[end...].dropFirst()))
  return 0
}

private func check(_ call: WorkloadCall, _ target: RequestTarget) {
  precondition((call.moduleID == nil) == (target.segments.count == 1), "another module")
  guard let moduleID = call.moduleID else { return }
  precondition(target.segments[1] == moduleID, "another module than the path has")
  precondition((1...128).contains(moduleID.utf8.count), "no ID of a module")
  precondition(moduleID.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "no ID of a module")
}

private func checkBody(_ bytes: [UInt8]) {
  guard let body = try? WorkloadBody(bytes) else { return }
  for name in ["data", "plaintext", "ciphertext", "initializationVector"] {
    guard let value = try? body.bytes(name) else { continue }
    precondition(value.count <= bytes.count, "more than came")
  }
  guard let name = try? body.hostName("commonName") else { return }
  precondition((1...253).contains(name.utf8.count), "no name has this length")
  precondition(
    name.utf8.allSatisfy { byte in
      // Letters, digits, and what stands between them in names and addresses.
      (0x30...0x3A).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
        || [0x2D, 0x2E, 0x5F].contains(byte)
    },
    "no name has these characters"
  )
}
