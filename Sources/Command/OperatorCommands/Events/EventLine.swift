package import JSONTree

/// Shows an event to people, in one line.
package enum EventLine {
  /// Time, sender, position, body, properties.
  package static func text(_ event: JSONValue, isColored: Bool) -> String {
    let annotations = event["annotations"]
    let device = annotations?["iothub-connection-device-id"]?.shown ?? "-"
    let module = annotations?["iothub-connection-module-id"]?.stringValue.map { "/\($0)" } ?? ""
    let source = annotations?["iothub-message-source"]?.stringValue
    let position = "\(event["partition"]?.shown ?? "-")/\(event["sequenceNumber"]?.shown ?? "-")"
    var fields = [
      Style.faint.applied(to: time(event["enqueuedTime"]?.stringValue), if: isColored),
      Style.strong.applied(to: Cell.visible(device + module), if: isColored),
      Style.faint.applied(to: position, if: isColored),
    ]
    if let source, source != "Telemetry" {
      fields.append(Style.warning.applied(to: Cell.visible(source), if: isColored))
    }
    fields.append(Cell.visible(body(event)))
    let properties = (event["applicationProperties"]?.objectValue ?? [:]).map {
      "\($0.key)=\($0.value.shown)"
    }
    if !properties.isEmpty {
      let text = Cell.visible(properties.joined(separator: " "))
      fields.append(Style.faint.applied(to: text, if: isColored))
    }
    return fields.joined(separator: "  ")
  }

  /// Milliseconds tell events apart that come in a burst.
  private static func time(_ iso: String?) -> String {
    guard let iso, let point = iso.firstIndex(of: ".") else { return iso ?? "-" }
    let fraction = iso[point...].dropFirst().prefix { $0.isNumber }
    return iso[..<point] + "." + fraction.prefix(3) + "Z"
  }

  private static func body(_ event: JSONValue) -> String {
    guard let body = event["body"] else { return "-" }
    switch event["bodyEncoding"]?.stringValue {
    case "json": return JSON.text(body)
    case "base64": return "base64:\(body.shown)"
    default: return body.shown
    }
  }
}
