import HubContract
import HubEngine
import Simulation
import Testing

@Suite("Blobs (contract §5)")
struct BlobTests {
  private let key = BlobKey(container: "uploads", name: "d1/x")

  private func part(_ file: String, _ block: String = "", bytes: Int64 = 10) -> BlobPart {
    BlobPart(
      file: file,
      role: .garbage,
      block: block,
      byteCount: bytes,
      time: Timestamp(seconds: 1_800_000_000)
    )
  }

  private func list(_ elements: String) throws -> BlockList {
    try BlockList([UInt8]("<BlockList>\(elements)</BlockList>".utf8))
  }

  private func files(_ hub: TestHub) throws -> [String] {
    try hub.engine.view.blob(#require(key))?.parts.map(\.file) ?? []
  }

  private func garbage(_ hub: TestHub) throws -> [String] {
    try hub.engine.view.garbage(limit: 99).map(\.file)
  }

  @Test("a write replaces the whole blob, and what it had becomes garbage")
  func replace() throws {
    var hub = TestHub()
    let key = try #require(key)
    let first = try hub.engine.putBlob(
      BlobWrite(key: key),
      kind: .block,
      file: part("f1"),
      now: hub.now
    ).get()
    #expect(hub.engine.takeEffects() == [.filesDiscarded])
    let second = try hub.engine.putBlob(
      BlobWrite(key: key),
      kind: .block,
      file: part("f2", bytes: 3),
      now: hub.now.adding(seconds: 1)
    ).get()
    #expect(try files(hub) == ["f2"])
    #expect(try garbage(hub) == ["f1"])
    #expect(second.byteCount == 3)
    #expect(second.etag != first.etag)
    #expect(second.createdTime == first.createdTime)
    #expect(try hub.engine.view.partCost() == 8_192)
    try hub.engine.forgetGarbage(["f1"])
    #expect(try hub.engine.view.partCost() == 4_096)
    #expect(try hub.engine.view.unknown(["f1", "f2"]) == ["f1"])
  }

  @Test("conditions and missing rights leave the blob as it was")
  func refusals() throws {
    var hub = TestHub()
    let key = try #require(key)
    let old = try hub.engine.putBlob(
      BlobWrite(key: key),
      kind: .block,
      file: part("f1"),
      now: hub.now
    ).get()
    let before = hub.engine.storage.tables
    for (write, refusal) in [
      (
        BlobWrite(key: key, conditions: BlobConditions(ifNoneMatch: "*")), BlobRefusal.alreadyExists
      ),
      (BlobWrite(key: key, conditions: BlobConditions(ifMatch: "other")), .condition),
      (BlobWrite(key: key, mayReplace: false), .overwrite),
    ] {
      let put = try hub.engine.putBlob(write, kind: .block, file: part("f2"), now: hub.now)
      #expect(put == .failure(refusal))
      #expect(try hub.engine.putBlockList(write, list(""), now: hub.now) == .failure(refusal))
    }
    let other = BlobConditions(ifMatch: "other")
    #expect(try hub.engine.deleteBlob(key, conditions: other) == .failure(.condition))
    #expect(hub.engine.storage.tables == before)
    let same = BlobConditions(ifMatch: "\"\(old.etag)\"")
    #expect(try hub.engine.deleteBlob(key, conditions: same) == .success(old))
    #expect(try hub.engine.deleteBlob(key, conditions: same) == .failure(.notFound))
    #expect(try garbage(hub) == ["f1"])
  }

  @Test("a list makes a blob of sent and kept blocks; the others go")
  func blocks() throws {
    var hub = TestHub()
    let key = try #require(key)
    for (file, id) in [("f1", "QUFB"), ("f2", "QkJC"), ("f3", "Q0ND")] {
      try hub.engine.putBlock(part(file, id), of: key)
    }
    #expect(try hub.engine.view.blob(key) == nil)
    let first = try hub.engine.putBlockList(
      BlobWrite(key: key),
      list("<Latest>QkJC</Latest><Uncommitted>QUFB</Uncommitted>"),
      now: hub.now
    ).get()
    #expect(first.byteCount == 20)
    #expect(try files(hub) == ["f2", "f1"])
    #expect(try garbage(hub) == ["f3"])
    try hub.engine.putBlock(part("f4", "QUFB"), of: key)
    try hub.engine.putBlock(part("f5", "QUFB"), of: key)
    #expect(try garbage(hub) == ["f3", "f4"])
    _ = try hub.engine.putBlockList(
      BlobWrite(key: key),
      list("<Latest>QUFB</Latest><Committed>QkJC</Committed>"),
      now: hub.now
    ).get()
    #expect(try files(hub) == ["f5", "f2"])
    #expect(try garbage(hub) == ["f1", "f3", "f4"])
  }

  @Test(
    "a list with a block that is not where it is looked for changes nothing",
    arguments: [
      "<Latest>Q0ND</Latest>", "<Committed>QkJC</Committed>", "<Uncommitted>QUFB</Uncommitted>",
    ]
  )
  func missingBlocks(entry: String) throws {
    var hub = TestHub()
    let key = try #require(key)
    try hub.engine.putBlock(part("f1", "QUFB"), of: key)
    _ = try hub.engine.putBlockList(
      BlobWrite(key: key),
      list("<Latest>QUFB</Latest>"),
      now: hub.now
    ).get()
    try hub.engine.putBlock(part("f2", "QkJC"), of: key)
    let before = hub.engine.storage.tables
    let result = try hub.engine.putBlockList(BlobWrite(key: key), list(entry), now: hub.now)
    guard case .failure(let refusal) = result else {
      Issue.record("the list was taken")
      return
    }
    #expect(refusal.code == "InvalidBlockList")
    #expect(hub.engine.storage.tables == before)
  }

  @Test("appended blocks stand in their order, where their conditions hold")
  func append() throws {
    var hub = TestHub()
    let key = try #require(key)
    let write = BlobWrite(key: key)
    func append(_ file: String, at position: Int64? = nil, limit: Int64? = nil) throws -> String? {
      let result = try hub.engine.appendBlock(
        part(file),
        to: write,
        at: position,
        limit: limit,
        now: hub.now
      )
      guard case .failure(let refusal) = result else { return nil }
      return refusal.code
    }
    #expect(try append("f1") == "BlobNotFound")
    _ = try hub.engine.putBlob(write, kind: .append, file: nil, now: hub.now).get()
    #expect(try append("f1") == nil)
    #expect(try append("f2", at: 10, limit: 20) == nil)
    #expect(try append("f3", at: 10) == "AppendPositionConditionNotMet")
    #expect(try append("f3", limit: 29) == "MaxBlobSizeConditionNotMet")
    #expect(try files(hub) == ["f1", "f2"])
    #expect(try hub.engine.putBlockList(write, list(""), now: hub.now) == .failure(.blobType))
    _ = try hub.engine.putBlob(write, kind: .block, file: nil, now: hub.now).get()
    #expect(try append("f3") == "InvalidBlobType")
  }

  @Test("blocks that nobody names go after a day")
  func sweep() throws {
    var hub = TestHub()
    let key = try #require(key)
    for index in 0..<3 {
      try hub.engine.putBlock(part("f\(index)", "QUF\(index)"), of: key)
    }
    #expect(try !hub.engine.sweepFiles(now: hub.now.adding(seconds: 86_400), limit: 2))
    #expect(try garbage(hub).isEmpty)
    #expect(try hub.engine.sweepFiles(now: hub.now.adding(seconds: 86_401), limit: 2))
    #expect(try !hub.engine.sweepFiles(now: hub.now.adding(seconds: 86_401), limit: 2))
    #expect(try garbage(hub).count == 3)
  }

  @Test("of files whose commands failed, those that were recorded stay")
  func unrecorded() throws {
    var hub = TestHub()
    let key = try #require(key)
    try hub.engine.putBlock(part("f1", "QUFB"), of: key)
    try hub.engine.discardUnrecorded([part("f1"), part("f2", bytes: 5_000)])
    #expect(try garbage(hub) == ["f2"])
    #expect(try hub.engine.view.blocks(of: key).waiting.map(\.file) == ["f1"])
    // What they cost counts until they are removed.
    #expect(try hub.engine.view.partCost() == 12_288)
  }

  @Test("a record is read as it was written")
  func document() throws {
    let key = try #require(key)
    var record = BlobRecord(
      key: key,
      kind: .append,
      byteCount: 1 << 40,
      etag: "0x1",
      createdTime: Timestamp(seconds: 1),
      modifiedTime: Timestamp(seconds: 2)
    )
    #expect(BlobRecord(key: key, document: record.document) == record)
    record.properties.md5 = [1, 2, 3]
    record.properties.headers = ["content-type": "text/plain"]
    record.properties.metadata = ["Name": "ä"]
    #expect(BlobRecord(key: key, document: record.document) == record)
    #expect(BlobRecord(key: key, document: [UInt8]("{}".utf8)) == nil)
  }
}
