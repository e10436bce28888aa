import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("Export and import jobs (contract §7.9)")
struct TransferTests {
  private func job(
    _ id: String,
    _ hub: TestHub,
    _ kind: TransferJob.Kind = .export
  ) throws
    -> TransferJob
  {
    TransferJob(
      id: id,
      kind: kind,
      input: kind == .import ? BlobKey(container: "exports", name: "devices.txt") : nil,
      output: try #require(BlobKey(container: "exports", name: "out")),
      excludesKeys: true,
      endpoint: "https://hub.example",
      createdTime: hub.now
    )
  }

  @Test("one at a time: a second waits for the end of the first")
  func oneAtATime() throws {
    var hub = TestHub()
    try hub.engine.createTransfer(job("1", hub))
    let second = try job("2", hub)
    func create() -> HubErrorCode? {
      code { () throws(HubError) in try hub.engine.createTransfer(second) }
    }
    #expect(create() == .jobQuotaExceeded)
    let running = try #require(try hub.engine.nextTransfer(now: hub.now))
    #expect(running.id == "1")
    #expect(running.status == .running)
    #expect(try hub.engine.advanceTransfer("1", to: 50))
    #expect(create() == .jobQuotaExceeded)
    try hub.engine.endTransfer("1", failure: nil, now: hub.now)
    #expect(create() == nil)
    let jobs = try hub.engine.view.transfers()
    #expect(jobs.first { $0.id == "1" }?.progress == 100)
    #expect(jobs.first { $0.id == "1" }?.endTime == hub.now)
  }

  @Test("a cancelled job goes on no more, and an ended one is not cancelled")
  func cancel() throws {
    var hub = TestHub()
    let now = hub.now
    #expect(
      code { () throws(HubError) in _ = try hub.engine.cancelTransfer("1", now: now) }
        == .jobNotFound
    )
    try hub.engine.createTransfer(job("1", hub))
    _ = try hub.engine.nextTransfer(now: now)
    #expect(try hub.engine.cancelTransfer("1", now: now).status == .cancelled)
    #expect(try !hub.engine.advanceTransfer("1", to: 10))
    try hub.engine.endTransfer("1", failure: nil, now: now)
    #expect(try hub.engine.view.transfers().first?.status == .cancelled)
    #expect(
      code { () throws(HubError) in _ = try hub.engine.cancelTransfer("1", now: now) }
        == .operationNotAllowedInCurrentState
    )
  }

  @Test("after a restart an export begins anew, and an import has failed")
  func restart() throws {
    var hub = TestHub()
    try hub.engine.createTransfer(job("1", hub))
    _ = try hub.engine.nextTransfer(now: hub.now)
    _ = try hub.engine.advanceTransfer("1", to: 50)
    let again = try #require(try hub.engine.nextTransfer(now: hub.now))
    #expect(again.id == "1")
    #expect(again.progress == 0)
    try hub.engine.endTransfer("1", failure: nil, now: hub.now)
    try hub.engine.createTransfer(job("2", hub, .import))
    _ = try hub.engine.nextTransfer(now: hub.now)
    #expect(try hub.engine.nextTransfer(now: hub.now) == nil)
    let failed = try hub.engine.view.transfers().first { $0.id == "2" }
    #expect(failed?.status == .failed)
    #expect(failed?.failureReason?.contains("Import again") == true)
  }

  @Test("a hundred ended jobs are remembered")
  func memory() throws {
    var hub = TestHub()
    for index in 0..<102 {
      hub.now = hub.now.adding(seconds: 1)
      try hub.engine.createTransfer(job("\(index)", hub))
      try hub.engine.endTransfer("\(index)", failure: nil, now: hub.now)
    }
    let ids = try hub.engine.view.transfers().map(\.id)
    #expect(ids.count == 100)
    #expect(ids.first == "101")
    #expect(ids.last == "2")
  }

  @Test("a job is read as it was written, and its answers hold no signature")
  func document() throws {
    let hub = TestHub()
    for kind in [TransferJob.Kind.export, .import] {
      var job = try job("1", hub, kind)
      job.status = .failed
      job.progress = 7
      job.failureReason = "why"
      job.startTime = hub.now
      job.endTime = hub.now.adding(seconds: 1)
      #expect(TransferJob(document: job.document) == job)
      #expect(job.json["outputBlobContainerUri"] == "https://hub.example/exports")
    }
    #expect(TransferJob(document: [UInt8]("{}".utf8)) == nil)
  }

  @Test("bodies that ask for what there is not are refused")
  func badBodies() throws {
    for (text, expected) in [
      ("{}", HubErrorCode.argumentNull), (#"{"type":"move"}"#, .argumentInvalid),
      (#"{"type":"export"}"#, .argumentNull),
      (#"{"type":"import","outputBlobContainerUri":"x"}"#, .argumentNull),
      (
        #"{"type":"export","outputBlobContainerUri":"x","includeConfigurations":true}"#,
        .argumentInvalid
      ),
      (
        #"{"type":"export","outputBlobContainerUri":"x","storageAuthenticationType":"none"}"#,
        .argumentInvalid
      ),
      (#"{"type":"export","outputBlobContainerUri":1}"#, .deserializationError),
    ] {
      let body = try json(text)
      #expect(
        code { () throws(HubError) in _ = try TransferJobRequest(json: body) } == expected,
        "\(text)"
      )
    }
  }
}
