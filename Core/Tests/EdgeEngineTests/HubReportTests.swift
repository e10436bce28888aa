import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Reported properties of $edgeHub (edge contract 2.8)")
struct HubReportTests {
  @Test("modules stay as disconnected, leaf devices go, keys are encoded")
  func clients() throws {
    let leaf = IdentityKey(deviceID: "press.17#a")
    let module = IdentityKey(deviceID: "edge1", moduleID: "$edgeAgent")
    let version = RuntimeVersion(version: "0.1.0", build: "b", commit: "c")
    let desired = LastDesired(version: 3, status: .ok)
    var clients = HubClients()
    clients.connected(leaf, now: Timestamp(seconds: 1))
    clients.connected(module, now: Timestamp(seconds: 2))
    let first = clients.report(lastDesired: desired, version: version)
    #expect(
      first == [
        "schemaVersion": "1.0", "version": ["version": "0.1.0", "build": "b", "commit": "c"],
        "lastDesiredVersion": 3, "lastDesiredStatus": ["code": 200, "description": ""],
        "clients": [
          "press%2E17%23a": [
            "status": "Connected", "lastConnectedTimeUtc": "1970-01-01T00:00:01.0000000Z",
          ],
          "edge1/%24edgeAgent": [
            "status": "Connected", "lastConnectedTimeUtc": "1970-01-01T00:00:02.0000000Z",
          ],
        ],
      ]
    )
    clients.disconnected(leaf, now: Timestamp(seconds: 3))
    clients.disconnected(module, now: Timestamp(seconds: 4))
    var reported = ReportedProperties(last: nil, keys: ReportedProperties.hubKeys)
    reported.sent(first)
    #expect(
      reported.patches(for: clients.report(lastDesired: desired, version: version)) == [
        [
          "clients": [
            "edge1/%24edgeAgent": [
              "status": "Disconnected", "lastDisconnectedTimeUtc": "1970-01-01T00:00:04.0000000Z",
            ],
            "press%2E17%23a": nil,
          ]
        ]
      ]
    )
    clients.connected(module, now: Timestamp(seconds: 5))
    let again = clients.report(lastDesired: nil, version: version)
    #expect(again["lastDesiredVersion"] == nil)
    #expect(
      again["clients"]?["edge1/%24edgeAgent"] == [
        "status": "Connected", "lastConnectedTimeUtc": "1970-01-01T00:00:05.0000000Z",
        "lastDisconnectedTimeUtc": "1970-01-01T00:00:04.0000000Z",
      ]
    )
  }
}
