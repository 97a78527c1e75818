//! How numbers and byte strings stand in the documents.

/// `u64` as a string of digits; a number is read too.
pub mod digits {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(number: &u64, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        let value = Value::deserialize(input)?;
        crate::query::number(&value).ok_or_else(|| D::Error::custom("a string of digits is needed"))
    }
}

/// The same or `null`.
pub mod maybe_digits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Digits(#[serde(with = "super::digits")] u64);

    pub fn serialize<S: Serializer>(number: &Option<u64>, out: S) -> Result<S::Ok, S::Error> {
        number.map(Digits).serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Digits>::deserialize(input)?.map(|Digits(number)| number))
    }
}

/// Bytes as hexadecimal digits.
pub mod hexadecimal {
    use std::borrow::Cow;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = Cow::<'_, str>::deserialize(input)?;
        hex::decode(text.as_bytes())
            .map_err(|error| D::Error::custom(format!("hexadecimal digits are needed: {error}")))
    }
}

/// The same or `null`.
pub mod maybe_hexadecimal {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Hexadecimal(#[serde(with = "super::hexadecimal")] Vec<u8>);

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, out: S) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Hexadecimal).serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Hexadecimal>::deserialize(input)?.map(|Hexadecimal(bytes)| bytes))
    }
}
