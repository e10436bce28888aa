package import EdgeEngine

/// Which build of the edge this is.
package enum EdgeVersion {
  /// As the system modules report it.
  package static let runtime = RuntimeVersion(version: "0.1.0")
}
