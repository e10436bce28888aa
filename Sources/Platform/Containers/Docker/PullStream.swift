package import JSONTree

/// Reads what the engine says while it fetches an image: one JSON object a line.
package struct PullStream {
  /// The longest line, in bytes.
  package static let lineLimit = 1 << 20
  /// The most layers that are kept account of; an image has at most some hundred.
  package static let layerLimit = 4096

  private struct Layer {
    var bytes: Int64 = 0
    var total: Int64 = 0
    var isDone = false
  }

  private var line: [UInt8] = []
  private var layers: [String: Layer] = [:]
  /// What went wrong, in the engine's words.
  package private(set) var failure: String?

  package init() {}

  /// Takes what came.
  ///
  /// - Throws: `JSONFault` for what is no JSON, or is too long.
  package mutating func receive(_ bytes: [UInt8]) throws(JSONFault) {
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        try endLine()
      } else {
        guard line.count < Self.lineLimit else { throw .tooManyBytes(offset: Self.lineLimit) }
        line.append(byte)
      }
    }
  }

  /// The stream is over.
  package mutating func end() throws(JSONFault) { try endLine() }

  private mutating func endLine() throws(JSONFault) {
    defer { line = [] }
    guard line.contains(where: { $0 > 0x20 }) else { return }
    let value = try JSON.parse(line)
    if let text = value["errorDetail"]?["message"]?.stringValue ?? value["error"]?.stringValue {
      failure = text
    }
    guard let id = value["id"]?.stringValue, let status = value["status"]?.stringValue,
      layers[id] != nil || layers.count < Self.layerLimit
    else { return }
    switch status {
    case "Pulling fs layer", "Waiting": layers[id, default: Layer()].isDone = false
    case "Downloading":
      layers[id, default: Layer()].bytes = value["progressDetail"]?["current"]?.int64Value ?? 0
      layers[id]?.total = value["progressDetail"]?["total"]?.int64Value ?? 0
    case "Download complete", "Pull complete", "Already exists":
      let total = layers[id]?.total ?? 0
      layers[id] = Layer(bytes: total, total: total, isDone: true)
    default: break
    }
  }

  /// How far it is.
  package var progress: PullProgress {
    layers.values.reduce(into: PullProgress(layers: layers.count)) { progress, layer in
      progress.doneLayers += layer.isDone ? 1 : 0
      progress.bytes = progress.bytes.addingReportingOverflow(layer.bytes).partialValue
      progress.totalBytes = progress.totalBytes.addingReportingOverflow(layer.total).partialValue
    }
  }
}
