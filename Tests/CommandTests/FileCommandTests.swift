import Foundation
import JSONTree
import OperatorCommands
import Testing

@Suite("orrery file")
struct FileCommandTests {
  @Test("list asks for a device's files by the prefix of their names")
  func list() async throws {
    let row: JSONValue = [
      "blobName": "d/1/x.txt", "blobSizeInBytes": 5, "contentType": "text/plain",
      "lastUpdatedTime": "2026-01-02T03:04:05.1234567Z",
    ]
    let outcome = await CommandHarness(.json([row]))
      .run("file", "list", "--device", "d/1", "-o", "table")
    #expect(outcome.status == .success, "\(outcome.errors)")
    #expect(outcome.output.contains("d/1/x.txt"))
    #expect(
      outcome.requests.first?.target
        == "/files?container=uploads&prefix=d%2F1%2F&api-version=2021-04-12"
    )
    #expect(
      await CommandHarness().run("file", "list", "--device", "d", "--prefix", "x").status == .usage
    )
  }

  @Test("delete asks first, and is refused where nobody can answer")
  func delete() async {
    let asked = await CommandHarness(HubResponse(status: 204)).run("file", "delete", "d1/x")
    #expect(asked.status == .usage)
    #expect(asked.requests.isEmpty)
    let sure = await CommandHarness(HubResponse(status: 204))
      .run("file", "delete", "d1/x", "d1/y", "--yes")
    #expect(sure.status == .success, "\(sure.errors)")
    #expect(sure.requests.map(\.method) == [.delete, .delete])
    #expect(sure.requests.first?.path == ["files", "uploads", "d1/x"])
  }

  @Test("url prints the bare URL")
  func url() async {
    let outcome = await CommandHarness(.json(["url": "https://h/uploads/d1/x?sig=1"]))
      .run("file", "url", "d1/x", "--permissions", "rw", "--ttl", "1m")
    #expect(outcome.output == "https://h/uploads/d1/x?sig=1\n")
    #expect(outcome.body?["expirySeconds"] == 60)
    #expect(outcome.body?["permissions"] == "rw")
  }

  @Test("download keeps what is there, writes whole files, and leaves nothing of a refused one")
  func download() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("orrery-file-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/x.txt"
    let harness = CommandHarness(HubResponse(status: 200, body: [1, 2, 3]))
    let first = await harness.run("file", "download", "d1/x.txt", "--to", path)
    #expect(first.status == .success, "\(first.errors)")
    #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
    let second = await harness.run("file", "download", "d1/x.txt", "--to", path)
    #expect(second.status != .success)
    #expect(second.requests.isEmpty)
    let missing = await CommandHarness(HubResponse(status: 404))
      .run("file", "download", "d1/y", "--to", folder + "/y", "--force")
    #expect(missing.status == .notFound)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.txt"])
  }
}
