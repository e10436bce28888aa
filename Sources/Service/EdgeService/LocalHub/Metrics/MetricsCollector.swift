import AsyncHTTPClient
import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Logging
import NIOCore
import NIOHTTP1
import Platform

/// Reads metrics pages now and then, and sends them upstream as messages of `$edgeHub`, in the form in
/// which collectors for edges send them.
struct MetricsCollector: Sendable {
  let hub: LocalHub
  let settings: MetricsCollection
  let client: HTTPClient

  /// Bytes of a page, and of a message.
  private static let pageLimit = 4 << 20
  private static let messageLimit = 200 << 10
  /// What stands in `id` of each message, for routes and queries in the hub above.
  private static let origin = "origin-iotedge-metrics-collector"

  /// Collects until it is cancelled.
  func run() async {
    while !Task.isCancelled {
      try? await Pause.sleep(for: .seconds(settings.intervalSeconds))
      if Task.isCancelled { return }
      for endpoint in settings.endpoints { await collect(endpoint) }
    }
  }

  private func collect(_ endpoint: String) async {
    do {
      let response = try await client.execute(
        HTTPClientRequest(url: endpoint),
        timeout: .seconds(10)
      )
      guard response.status == .ok else {
        throw SettingsFault("it answers \(response.status.code)")
      }
      let page = try await response.body.collect(upTo: Self.pageLimit)
      let values = try MetricsText.parse(Array(page.readableBytesView).span)
      for body in Self.messages(values, at: hub.store.calendar) {
        hub.sendUpstream(body, bag: Self.bag)
      }
    } catch {
      hub.logger.warning(
        "metrics were not collected",
        metadata: ["endpoint": "\(endpoint)", "reason": "\(error)"]
      )
    }
  }

  /// The bodies of the messages that carry `values`; those that are no numbers are left out, because
  /// JSON has none such.
  static func messages(_ values: [MetricsText.Value], at time: Timestamp) -> [[UInt8]] {
    var messages: [[UInt8]] = []
    var body: [UInt8] = []
    for value in values {
      guard let number = JSONNumber(double: value.value) else { continue }
      var labels = JSONObject()
      for (name, text) in value.labels.sorted(by: { $0.key < $1.key }) {
        labels[name] = .string(text)
      }
      let item = JSON.bytes([
        "TimeGeneratedUtc": .string(time.iso8601), "Name": .string(value.name),
        "Value": .number(number), "Labels": .object(labels),
      ])
      if body.count + item.count > messageLimit, !body.isEmpty {
        messages.append(body + [UInt8(ascii: "]")])
        body = []
      }
      body.append(body.isEmpty ? UInt8(ascii: "[") : UInt8(ascii: ","))
      body += item
    }
    return body.isEmpty ? messages : messages + [body + [UInt8(ascii: "]")]]
  }

  private static let bag: [UInt8] = {
    var bag = PropertyBagWriter()
    bag.append(.contentType, "application/json")
    bag.append(.contentEncoding, "utf-8")
    bag.append(MessageProperty("id", origin))
    return bag.bytes
  }()
}
