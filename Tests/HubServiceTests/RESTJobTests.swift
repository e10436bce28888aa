import Foundation
import HTTPTypes
import JSONTree
import Platform
import Testing

private let updateJob = #"""
  {"type":"scheduleUpdateTwin","queryCondition":"tags.site = 'north'","updateTwin":
  {"etag":"*","tags":{"done":true},"properties":{"desired":{"rate":5}}}}
  """#

private func methodJob(_ condition: String = "*", seconds: Int = 60) -> String {
  #"""
  {"type":"scheduleDeviceMethod","queryCondition":"\#(condition)",
  "maxExecutionTimeInSeconds":\#(seconds),"cloudToDeviceMethod":{"methodName":"go",
  "payload":{"x":1},"responseTimeoutInSeconds":5,"connectTimeoutInSeconds":0}}
  """#
}

@Suite("Scheduled jobs by REST")
struct RESTJobTests {
  @Test("A twin update reaches the devices that its condition selects, and is counted")
  func update() async throws {
    try await RESTHub.run { hub in
      try await hub.fleet(5)
      #expect(try await hub.job("j")["status"] == "unknown")
      try await hub.advancing {
        let made = try await hub.send(.put, "/jobs/v2/j", json: updateJob)
        #expect(made.status == 200, "\(made)")
        #expect(try made.json()["type"] == "scheduleUpdateTwin")
        try await hub.until("it ends") { try await hub.job("j")["status"] == "completed" }
        let job = try await hub.job("j")
        #expect(
          job["deviceJobStatistics"] == [
            "deviceCount": 3, "failedCount": 0, "succeededCount": 3, "runningCount": 0,
            "pendingCount": 0,
          ]
        )
        #expect(try await hub.desired("d4") == ["rate": 5])
        #expect(try await hub.desired("d1") == [:])
        let rows = try await hub.send(
          .post,
          "/devices/query",
          json: #"{"query":"SELECT * FROM devices.jobs WHERE jobId = 'j'"}"#
        )
        #expect(rows.header("x-ms-item-type") == "DeviceJob")
        #expect(try rows.json().arrayValue?.map { $0["deviceId"] } == ["d0", "d2", "d4"])
        let again = try await hub.send(.put, "/jobs/v2/j", json: updateJob)
        #expect(again.status == 409 && again.errorCode == "JobAlreadyExists")
        let late = try await hub.send(.post, "/jobs/v2/j/cancel")
        #expect(late.status == 405 && late.errorCode == "OperationNotAllowedInCurrentState")
        let unknown = try await hub.send(.post, "/jobs/v2/none/cancel")
        #expect(unknown.status == 404 && unknown.errorCode == "JobNotFound")
      }
    }
  }

  @Test("A method on absent devices fails for each of them, and the job completes")
  func absentDevices() async throws {
    try await RESTHub.run { hub in
      try await hub.fleet(3)
      try await hub.advancing {
        _ = try await hub.send(.put, "/jobs/v2/m", json: methodJob())
        try await hub.until("it ends") { try await hub.job("m")["status"] == "completed" }
        let counts = try await hub.job("m")["deviceJobStatistics"]
        #expect(counts?["failedCount"] == 3 && counts?["deviceCount"] == 3)
        let rows = try await hub.send(
          .post,
          "/devices/query",
          json: #"{"query":"SELECT * FROM devices.jobs WHERE status = 'failed'"}"#
        )
        let codes = try rows.json().arrayValue?.map { $0["error"]?["code"] }
        #expect(codes == ["404103", "404103", "404103"])
      }
    }
  }

  @Test("A job outlives the process: scheduled, half done, and ended")
  func reopening() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        try await hub.fleet(4)
        // Nothing carries jobs out in this life.
        let start = hub.time(secondsAhead: 1)
        let scheduled = String(updateJob.dropLast(1)) + #","startTime":"\#(start)"}"#
        let made = try await hub.send(.put, "/jobs/v2/later", json: scheduled)
        #expect(try made.json()["status"] == "scheduled", "\(made)")
        #expect(try await hub.send(.put, "/jobs/v2/now", json: updateJob).status == 200)
        let patient = methodJob().replacing(
          #""responseTimeoutInSeconds":5,"connectTimeoutInSeconds":0"#,
          with: #""responseTimeoutInSeconds":30,"connectTimeoutInSeconds":30"#
        )
        #expect(try await hub.send(.put, "/jobs/v2/waits", json: patient).status == 200)
      }
      try await RESTHub.run(in: folder) { hub in
        try await hub.advancing {
          for id in ["later", "now"] {
            try await hub.until("\(id) ends") { try await hub.job(id)["status"] == "completed" }
          }
          try await hub.until("the methods are under way") {
            try await hub.job("waits")["deviceJobStatistics"]?["runningCount"] == 4
          }
        }
      }
      try await RESTHub.run(in: folder) { hub in
        // A stop of the hub is no failure of a device.
        #expect(try await hub.job("waits")["deviceJobStatistics"]?["runningCount"] == 4)
        try await hub.advancing {
          let cancelled = try await hub.send(.post, "/jobs/v2/waits/cancel")
          #expect(try cancelled.json()["status"] == "cancelled", "\(cancelled)")
        }
        #expect(try await hub.job("now")["status"] == "completed")
      }
    }
  }

  @Test("Jobs are listed by type and status, page by page")
  func query() async throws {
    try await RESTHub.run { hub in
      for (id, body) in [("a", updateJob), ("b", methodJob()), ("c", updateJob)] {
        #expect(try await hub.send(.put, "/jobs/v2/\(id)", json: body).status == 200)
      }
      _ = try await hub.send(.post, "/jobs/v2/c/cancel")
      for (query, expected) in [
        ("", ["a", "b", "c"]), ("?jobType=scheduleDeviceMethod", ["b"]),
        ("?jobStatus=cancelled", ["c"]), ("?jobType=&jobStatus=queued", ["a", "b"]),
        ("?jobType=scheduleUpdateTwin&jobStatus=queued", ["a"]), ("?jobStatus=failed", []),
      ] {
        var found: [String] = []
        var continuation: String?
        repeat {
          var headers = [("x-ms-max-item-count", "1")]
          if let continuation { headers.append(("x-ms-continuation", continuation)) }
          let reply = try await hub.send(.get, "/jobs/v2/query\(query)", headers: headers)
          #expect(reply.status == 200, "\(reply)")
          #expect(reply.header("x-ms-item-type") == "JobResponse")
          let page = try reply.json().arrayValue ?? []
          #expect(page.count <= 1)
          found += page.compactMap { $0["jobId"]?.stringValue }
          continuation = reply.header("x-ms-continuation")
        } while continuation != nil
        #expect(found == expected, "\(query)")
      }
      let unknown = try await hub.send(.get, "/jobs/v2/query?jobStatus=lost")
      #expect(unknown.errorCode == "ArgumentInvalid" && unknown.text.contains("cancelled"))
    }
  }

  @Test(
    "what cannot be run is refused",
    arguments: [
      ("j", #"{"type":"export","queryCondition":"*"}"#, "ArgumentInvalid", "type"),
      ("j", #"{"type":"scheduleUpdateTwin","queryCondition":"*"}"#, "ArgumentNull", "updateTwin"),
      (
        "j", #"{"type":"scheduleUpdateTwin","updateTwin":{}}"#, "ArgumentNull", "queryCondition"
      ),
      (
        "j", #"{"type":"scheduleUpdateTwin","updateTwin":{},"queryCondition":"tags.a = = 1"}"#,
        "ArgumentInvalid", "column"
      ),
      (
        "j",
        #"{"type":"scheduleUpdateTwin","updateTwin":{"tags":{"a.b":1}},"queryCondition":"*"}"#,
        "ArgumentInvalid", "a.b"
      ),
      (
        "j",
        #"{"type":"scheduleUpdateTwin","updateTwin":{},"queryCondition":"*","startTime":"soon"}"#,
        "ArgumentInvalid", "startTime"
      ),
      (
        "j",
        #"{"type":"scheduleUpdateTwin","updateTwin":{},"queryCondition":"*","startTime":"2999-01-01T00:00:00Z"}"#,
        "ArgumentInvalid", "168"
      ),
      (
        "j", #"{"type":"scheduleDeviceMethod","cloudToDeviceMethod":{},"queryCondition":"*"}"#,
        "ArgumentNull", "methodName"
      ),
      ("Capital", updateJob, "ArgumentInvalid", "lower-case"),
      (String(repeating: "a", count: 65), updateJob, "ArgumentInvalid", "64"),
    ] as [(String, String, String, String)]
  )
  func refusals(id: String, body: String, code: String, hint: String) async throws {
    try await RESTHub.run { hub in
      let reply = try await hub.send(.put, "/jobs/v2/\(id)", json: body)
      #expect(reply.status == 400 && reply.errorCode == code, "\(reply)")
      #expect(reply.text.contains(hint), "\(reply)")
      #expect(try await hub.send(.get, "/jobs/v2/query").json() == [])
    }
  }

  @Test("Ten jobs run or wait at once; the eleventh is refused, one that is scheduled is not")
  func places() async throws {
    try await RESTHub.run { hub in
      for index in 0..<10 {
        let reply = try await hub.send(.put, "/jobs/v2/j\(index)", json: updateJob)
        #expect(reply.status == 200)
      }
      let more = try await hub.send(.put, "/jobs/v2/more", json: updateJob)
      #expect(more.status == 429, "\(more)")
      #expect(more.errorCode == "ThrottlingMaxActiveJobCountExceeded")
      let start = hub.time(secondsAhead: 60)
      let scheduled = String(updateJob.dropLast(1)) + #","startTime":"\#(start)"}"#
      #expect(try await hub.send(.put, "/jobs/v2/more", json: scheduled).status == 200)
    }
  }

  @Test("A plan lists the devices and what would change, and creates no job")
  func plan() async throws {
    try await RESTHub.run { hub in
      try await hub.fleet(3)
      let reply = try await hub.send(.post, "/jobs/v2/j/plan", json: updateJob)
      let changes = try reply.json()["changes"]?.arrayValue ?? []
      #expect(changes.map { $0["deviceId"] } == ["d0", "d2"])
      #expect(changes.first?["tags"] == ["done": true])
      #expect(changes.first?["desired"] == ["rate": 5])
      #expect(changes.first?["connectionState"] == "Disconnected")
      #expect(try await hub.job("j")["status"] == "unknown")
      let methods = try await hub.send(.post, "/jobs/v2/j/plan", json: methodJob())
      #expect(try methods.json()["changes"]?.arrayValue?.count == 3)
    }
  }
}
