import ByteIO
import Glibc

/// Temperature and humidity of a room, as a sensor in it would see them.
///
/// The room follows its target slowly, the day goes up and down around it, both wander a little, and
/// every reading has noise. The same seed gives the same climate.
package struct RoomClimate: Sendable {
  /// Degrees Celsius that the heating aims at.
  package var target = 21.0
  private var temperature: Double
  private var drift = 0.0
  private var humidity: Double
  private var generator: SeededGenerator

  /// A reading.
  package struct Reading: Equatable, Sendable {
    /// Degrees Celsius, to the tenth.
    package let temperature: Double
    /// Relative humidity in percent, to the tenth.
    package let humidity: Double
  }

  /// A climate of its own for each seed.
  package init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
    temperature = 19 + 4 * Double.random(in: 0..<1, using: &generator)
    humidity = 40 + 15 * Double.random(in: 0..<1, using: &generator)
  }

  /// Lets `seconds` pass and reads the sensor at `secondOfDay`.
  package mutating func read(after seconds: Double, secondOfDay: Double) -> Reading {
    // A room takes some twenty minutes to come two thirds of the way to its target.
    let share = 1 - exp(-max(seconds, 0) / 1200)
    let wave = 1.5 * sin((secondOfDay / 86_400 - 0.375) * 2 * .pi)
    let step = min(max(seconds, 0), 60).squareRoot()
    drift = drift * 0.99 + noise(0.02 * step)
    temperature += (target + wave - temperature) * share + drift * share
    // Warm air holds more water: the same water is less of what it could hold.
    let aim = 48 - 2 * (temperature - target)
    humidity += (aim - humidity) * share + noise(0.05 * step)
    humidity = min(max(humidity, 5), 95)
    return Reading(
      temperature: Self.tenths(temperature + noise(0.08)),
      humidity: Self.tenths(min(max(humidity + noise(0.3), 0), 100))
    )
  }

  /// About normally distributed around 0: the sum of some uniform numbers.
  private mutating func noise(_ deviation: Double) -> Double {
    var sum = 0.0
    for _ in 0..<4 { sum += Double.random(in: -1...1, using: &generator) }
    return sum * deviation * 0.866
  }

  private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
