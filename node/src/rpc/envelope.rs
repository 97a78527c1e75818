//! JSON-RPC 2.0 envelopes with CometBFT's error codes and sentences.

use serde_json::{Value, json};

/// A call as it came over POST or WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Number or text that the answer repeats; without it the call is a notification, which is not answered.
    pub id: Option<Value>,
    /// The method's name.
    pub method: String,
    /// An object, an array, or null.
    pub params: Value,
}

/// Why a call failed, in CometBFT's classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RpcError {
    /// -32700: the body is not JSON of a call.
    Parse(String),
    /// -32600: the envelope is wrong.
    Invalid(String),
    /// -32601.
    NotFound,
    /// -32602: a parameter is missing, unknown or malformed.
    Params(String),
    /// -32603: everything that the method itself refuses.
    Internal(String),
    /// -32603 too: the node has no room for the call now.
    Busy,
}

impl RpcError {
    /// The number and the fixed sentence of the class.
    pub fn class(&self) -> (i64, &'static str) {
        match self {
            Self::Parse(_) => (-32700, "Parse error. Invalid JSON"),
            Self::Invalid(_) => (-32600, "Invalid Request"),
            Self::NotFound => (-32601, "Method not found"),
            Self::Params(_) => (-32602, "Invalid params"),
            Self::Internal(_) | Self::Busy => (-32603, "Internal error"),
        }
    }

    /// What exactly is wrong.
    pub fn detail(&self) -> &str {
        match self {
            Self::Parse(text) | Self::Invalid(text) | Self::Params(text) | Self::Internal(text) => text,
            Self::NotFound => "",
            Self::Busy => "busy: too many heavy calls run already; send again after a second, or to another node",
        }
    }
}

impl Call {
    /// Reads one call. Unknown members are left alone, as CometBFT does.
    pub fn parse(value: Value) -> Result<Self, (Value, RpcError)> {
        let Value::Object(mut object) = value else {
            return Err((Value::Null, RpcError::Invalid("a call is a JSON object".into())));
        };
        let id = match object.remove("id") {
            None => None,
            Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
            Some(_) => return Err((Value::Null, RpcError::Invalid("id is a number or text".into()))),
        };
        let known = id.clone().unwrap_or(Value::Null);
        if let Some(version) = object.get("jsonrpc")
            && version != "2.0"
        {
            return Err((known, RpcError::Invalid("jsonrpc is \"2.0\"".into())));
        }
        let Some(Value::String(method)) = object.remove("method") else {
            return Err((known, RpcError::Invalid("method is missing or not text".into())));
        };
        let params = match object.remove("params") {
            None | Some(Value::Null) => Value::Null,
            Some(params @ (Value::Object(_) | Value::Array(_))) => params,
            Some(_) => return Err((known, RpcError::Params("params is an object or an array".into()))),
        };
        Ok(Self { id, method, params })
    }
}

/// The envelope of an answer.
pub fn answer(id: &Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => {
            let (code, message) = error.class();
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": error.detail()}})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_its_id_as_it_came() {
        for id in [json!(7), json!("seven"), json!(-1)] {
            let call = Call::parse(json!({"jsonrpc": "2.0", "id": id, "method": "health"})).unwrap();
            assert_eq!(call.id, Some(id));
            assert_eq!(call.params, Value::Null);
        }
        assert_eq!(Call::parse(json!({"method": "health", "params": []})).unwrap().id, None);
    }

    #[test]
    fn malformed_envelopes_are_told_apart() {
        let class = |value| Call::parse(value).unwrap_err().1.class().0;
        assert_eq!(class(json!(1)), -32600);
        assert_eq!(class(json!({"id": {}, "method": "health"})), -32600);
        assert_eq!(class(json!({"id": 1})), -32600);
        assert_eq!(class(json!({"id": 1, "method": "health", "jsonrpc": "1.0"})), -32600);
        assert_eq!(class(json!({"id": 1, "method": "health", "params": "x"})), -32602);
    }

    #[test]
    fn an_error_looks_as_cometbft_writes_it() {
        let text = answer(&json!(1), Err(RpcError::Internal("no such block".into())));
        assert_eq!(
            text,
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Internal error", "data": "no such block"}})
        );
    }
}
