import ByteIO
import HubContract
import MQTT
import NIOCore

/// What routes bring to a module (edge contract section 5.3).
extension DeviceConnection {
  /// Messages under way to a module's inputs.
  private static let inputWindow = 64

  /// Opens or closes the inputs, as the subscriptions ask.
  func grantInputs(_ quality: QoS?) {
    inputQuality = quality
    guard quality != nil else { return closeInputs() }
    guard inputs == nil, let handle, let device else { return }
    inputs = loop.backend.openInputs(handle, of: device.identity)
    pullInputs()
  }

  func closeInputs() {
    inputs?.close()
    inputs = nil
    inputsUnderWay = 0
    inputSilenceSeconds = 0
  }

  package func pullInputs() {
    guard let inputs, let topics, let quality = inputQuality, machine.isConnected else { return }
    let room = Self.inputWindow - inputsUnderWay
    guard room > 0, waiting.isEmpty, context?.channel.isWritable == true else { return }
    let stem = topics.inputStem
    let taken = inputs.take(limit: room) { delivery, input, bag, body in
      var topic = ByteWriter(capacity: stem.count + input.count + bag.count + 1)
      topic.append(stem)
      topic.append(input)
      topic.uint8(UInt8(ascii: "/"))
      topic.append(bag)
      if quality == .atMostOnce {
        publish(topic.bytes.span, body, 0)
        inputs.settled(delivery)
      } else if let identifier = machine.reserve(delivery: delivery) {
        publish(topic.bytes.span, body, identifier)
        inputsUnderWay += 1
      } else {
        // Other messages fill the window.
        waiting.append(
          OutboundPublish(
            topic: topic.bytes,
            payload: body.array(),
            delivery: delivery
          )
        )
        inputsUnderWay += 1
      }
      loop.counters.sent.count()
    }
    if taken > 0 { flushUnlessProcessing() }
    // At QoS 0 nothing will come back that asks for more.
    if taken == room, quality == .atMostOnce {
      loop.eventLoop.assumeIsolated().execute { self.pullInputs() }
    }
  }

  /// The module has a message of its inputs.
  func inputAcknowledged(_ delivery: UInt64, _ inputs: any InputFeed) {
    inputs.settled(delivery)
    inputsUnderWay -= 1
    inputSilenceSeconds = 0
    // In halves, so that a read of many acknowledgements is one look at the log.
    if inputsUnderWay <= Self.inputWindow / 2 { pullInputs() }
  }
}
