/// The release, as `interject version` and the doctor say it.
let interjectVersion = "0.1.0"
