import HubContract
import HubEngine
import JSONTree
import Simulation
import Testing

@Suite("File uploads (contract §5)")
struct UploadTests {
  private func begin(
    _ hub: inout TestHub,
    _ name: String = "x.txt",
    device: String = "d1"
  ) throws -> FileUpload {
    let request = try FileUploadRequest(json: ["blobName": .string(name)])
    return try hub.engine.beginUpload(of: device, request, now: hub.now)
  }

  private func outcome(_ upload: FileUpload, isSuccess: Bool = true) throws -> FileUploadOutcome {
    try FileUploadOutcome(json: [
      "correlationId": .string(upload.correlationID), "isSuccess": .bool(isSuccess),
      "statusCode": 200, "statusDescription": .null,
    ])
  }

  private func complete(
    _ hub: inout TestHub,
    _ upload: FileUpload,
    device: String = "d1",
    isSuccess: Bool = true
  ) throws -> HubErrorCode? {
    let outcome = try outcome(upload, isSuccess: isSuccess)
    let now = hub.now
    return code { () throws(HubError) in
      try hub.engine.completeUpload(of: device, outcome, now: now)
    }
  }

  @Test("a file lands in its device's own folder, for an hour")
  func begin() throws {
    var hub = TestHub()
    let upload = try begin(&hub, "logs/1.txt", device: "d#1")
    #expect(upload.key == BlobKey(container: "uploads", name: "d#1/logs/1.txt"))
    #expect(upload.expiryTime == hub.now.adding(seconds: 3600))
    #expect(upload.correlationID.utf8.count == 32)
  }

  @Test("names that would leave the folder are refused", arguments: ["../d2/x", "/x", "a//b", "."])
  func badNames(name: String) throws {
    var hub = TestHub()
    let request = try FileUploadRequest(json: ["blobName": .string(name)])
    #expect(
      code { () throws(HubError) in
        _ = try hub.engine.beginUpload(of: "d1", request, now: hub.now)
      } == .argumentInvalid
    )
    #expect(hub.engine.storage.tables.uploads.isEmpty)
  }

  @Test("bodies without what is needed are refused")
  func badBodies() throws {
    for text in ["{}", #"{"blobName":""}"#, #"{"blobName":null}"#] {
      let body = try json(text)
      #expect(
        code { () throws(HubError) in _ = try FileUploadRequest(json: body) } == .argumentNull
      )
    }
    for (text, expected) in [
      (#"{"isSuccess":true}"#, HubErrorCode.argumentNull),
      (#"{"correlationId":"1"}"#, .argumentNull),
      (#"{"correlationId":1,"isSuccess":true}"#, .deserializationError),
      (#"{"correlationId":"1","isSuccess":"yes"}"#, .deserializationError),
    ] {
      let body = try json(text)
      #expect(code { () throws(HubError) in _ = try FileUploadOutcome(json: body) } == expected)
    }
  }

  @Test("ten uploads of a device may be open; another device's do not count, nor do ended ones")
  func limit() throws {
    var hub = TestHub()
    var first: FileUpload?
    for index in 0..<10 {
      let upload = try begin(&hub, "\(index)")
      first = first ?? upload
    }
    let request = try FileUploadRequest(json: ["blobName": "y"])
    let full = code { () throws(HubError) in
      _ = try hub.engine.beginUpload(of: "d1", request, now: hub.now)
    }
    #expect(full == .deviceMaximumActiveFileUploadLimitExceeded)
    _ = try begin(&hub, device: "d2")
    #expect(try complete(&hub, #require(first), isSuccess: false) == nil)
    _ = try begin(&hub)
    hub.now = hub.now.adding(seconds: 3600)
    _ = try begin(&hub)
  }

  @Test("a success needs the file, and is told to services")
  func success() throws {
    var hub = TestHub()
    let upload = try begin(&hub)
    #expect(try complete(&hub, upload) == .invalidOperation)
    let part = BlobPart(file: "f1", role: .garbage, block: "", byteCount: 5, time: hub.now)
    _ = try hub.engine.putBlob(
      BlobWrite(key: upload.key),
      kind: .block,
      file: part,
      now: hub.now
    ).get()
    _ = hub.effects()
    #expect(try complete(&hub, upload) == nil)
    #expect(hub.effects() == [.fileNotificationAvailable])
    #expect(try complete(&hub, upload) == .invalidFileUploadCorrelationID)
    let taken = try #require(try hub.engine.takeFileNotification(now: hub.now))
    let body = try JSON.parse(taken.notification.body(endpoint: "https://hub.example"))
    #expect(body["deviceId"] == "d1")
    #expect(body["blobUri"] == "https://hub.example/uploads/d1/x.txt")
    #expect(body["blobName"] == "d1/x.txt")
    #expect(body["blobSizeInBytes"] == 5)
  }

  @Test("nothing is told where notifications are turned off")
  func silent() throws {
    var hub = TestHub()
    hub.engine.fileRules.isNotifying = false
    let upload = try begin(&hub)
    _ = try hub.engine.putBlob(BlobWrite(key: upload.key), kind: .block, file: nil, now: hub.now)
    #expect(try complete(&hub, upload) == nil)
    #expect(try hub.engine.takeFileNotification(now: hub.now) == nil)
  }

  @Test("a failed upload gives up its blocks, and leaves an older file as it was")
  func failure() throws {
    var hub = TestHub()
    let upload = try begin(&hub)
    let (file, block) = (
      BlobPart(file: "f1", role: .garbage, block: "", byteCount: 5, time: hub.now),
      BlobPart(file: "f2", role: .garbage, block: "QQ==", byteCount: 5, time: hub.now)
    )
    _ = try hub.engine.putBlob(BlobWrite(key: upload.key), kind: .block, file: file, now: hub.now)
    try hub.engine.putBlock(block, of: upload.key)
    #expect(try complete(&hub, upload, isSuccess: false) == nil)
    #expect(try hub.engine.view.garbage(limit: 9).map(\.file) == ["f2"])
    #expect(try hub.engine.view.blob(upload.key)?.parts.map(\.file) == ["f1"])
    #expect(try hub.engine.takeFileNotification(now: hub.now) == nil)
  }

  @Test("another device's upload is none, an ended one says so for a day")
  func wrongUploads() throws {
    var hub = TestHub()
    let upload = try begin(&hub)
    #expect(try complete(&hub, upload, device: "d2") == .invalidFileUploadCorrelationID)
    hub.now = upload.expiryTime
    #expect(try complete(&hub, upload) == .expiredFileUploadCorrelationID)
    hub.now = hub.now.adding(seconds: 86_401)
    #expect(try !hub.engine.sweepFiles(now: hub.now))
    #expect(try complete(&hub, upload) == .invalidFileUploadCorrelationID)
  }

  @Test("a notification that is not completed comes again, ten times, and lives an hour")
  func notifications() throws {
    var hub = TestHub()
    func told(_ hub: inout TestHub) throws {
      let upload = try begin(&hub)
      _ = try hub.engine.putBlob(BlobWrite(key: upload.key), kind: .block, file: nil, now: hub.now)
      #expect(try complete(&hub, upload) == nil)
    }
    try told(&hub)
    for count in 1...10 {
      let held = try #require(try hub.engine.takeFileNotification(now: hub.now))
      #expect(held.notification.deliveryCount == count)
      #expect(try hub.engine.takeFileNotification(now: hub.now) == nil)
      if count.isMultiple(of: 2) {
        try hub.engine.abandonFileNotification(held.token, now: hub.now)
      } else {
        hub.now = hub.now.adding(seconds: 60)
        let now = hub.now
        #expect(
          code { () throws(HubError) in
            try hub.engine.completeFileNotification(held.token, now: now)
          } == .deviceMessageLockLost
        )
      }
    }
    #expect(try hub.engine.takeFileNotification(now: hub.now) == nil)
    #expect(hub.engine.storage.tables.fileNotifications.isEmpty)
    try told(&hub)
    try told(&hub)
    let held = try #require(try hub.engine.takeFileNotification(now: hub.now))
    try hub.engine.completeFileNotification(held.token, now: hub.now)
    #expect(hub.engine.storage.tables.fileNotifications.count == 1)
    _ = try hub.engine.sweepFiles(now: hub.now.adding(seconds: 3600))
    #expect(hub.engine.storage.tables.fileNotifications.isEmpty)
  }
}
