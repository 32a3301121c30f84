/// The release, for `interject version` and the doctor.
let interjectVersion = "0.1.0"
