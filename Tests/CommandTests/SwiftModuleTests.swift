import OperatorCommands
import Platform
import Testing

@Suite("The module that `edge new module --language swift` writes")
struct SwiftModuleTests {
  /// A file of the example, which is built and driven by stock clients.
  private func example(_ name: String) throws -> String {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let bytes = try PrivateFile.read("/\(root)/examples/swift/module/\(name)")
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `Its program is the example`() throws {
    #expect(try example("main.swift") == SwiftModule.main)
    #expect(try example("Rules.swift") == SwiftModule.rules)
  }
}
